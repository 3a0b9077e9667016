"""Databases of other versions and applications, made from the recipes in this folder.

A recipe is a SQL script, one for every revision and one for every other state of a file. Databases
that SQL cannot make are made by a function below.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

FOLDER = Path(__file__).parent


def make_database(recipe: str, path: Path) -> Path:
    """Run a recipe into a new file and return its path."""
    with duckdb.connect(str(path)) as connection:
        connection.execute((FOLDER / f"{recipe}.sql").read_text(encoding="utf-8"))
    return path


def make_text_file(path: Path) -> Path:
    """Write a file that is no database."""
    path.write_text("event,time\nSign Up,2025-01-01\n" * 1000, encoding="utf-8")
    return path


def make_newer_format(path: Path) -> Path:
    """Write a database file whose format is that of a DuckDB of the future.

    The number of the format follows the eight bytes of a checksum and the word ``DUCK``. DuckDB
    tells the right checksum when it finds a wrong one.
    """
    make_database("0003", path)
    content = bytearray(path.read_bytes())
    content[12:20] = (12345).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(duckdb.Error, match="computed checksum") as caught:
        duckdb.connect(str(path))
    found = re.search(r"computed checksum (\d+)", str(caught.value))
    assert found is not None
    content[:8] = int(found[1]).to_bytes(8, "little")
    path.write_bytes(content)
    return path


def facts(path: Path) -> dict[str, tuple[str, list[Any]]]:
    """Return all that is in a file: definitions and rows of every table, in their order."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return {
            name: (sql, connection.execute(f'SELECT * FROM "{name}"').fetchall())
            for name, sql in connection.execute(
                "SELECT table_name, sql FROM duckdb_tables() ORDER BY table_name"
            ).fetchall()
        }
