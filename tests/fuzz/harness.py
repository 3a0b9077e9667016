"""Both ways of loading an export file, by DuckDB and in Python, must agree, whatever its bytes.

``python -m tests.fuzz.harness`` runs it under atheris, if that is installed: libFuzzer mutates the
files of the corpus, guided by the coverage of the readers. Options are libFuzzer's.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any

from mixpanel_data import (
    ExportFileError,
    RecordError,
    StorageEngine,
    read_events_export,
    read_profiles_export,
)
from mixpanel_data.common import json_documents, times, values
from mixpanel_data.ingest import export_reader, export_records
from tests.engines import empty_storage
from tests.records import EVENTS, PROFILES

CORPUS = Path(__file__).parent / "corpus"


def agree(content: bytes, folder: Path) -> None:
    """Load bytes as a file of events and of profiles, by DuckDB and record by record."""
    file = folder / "export"
    file.write_bytes(content)
    with empty_storage() as storage:
        for fast, slow in (
            (
                lambda: storage.load_events_export("fast", file, EVENTS),
                lambda: storage.create_events_table("slow", read_events_export(file), EVENTS),
            ),
            (
                lambda: storage.load_profiles_export("fast", file, PROFILES),
                lambda: storage.create_profiles_table("slow", read_profiles_export(file), PROFILES),
            ),
        ):
            results = [outcome(storage, "fast", fast), outcome(storage, "slow", slow)]
            assert results[0] == results[1], results


def outcome(storage: StorageEngine, name: str, load: Callable[[], int]) -> Any:
    """Return the rows of a load, or what its error says of the place; no other error may come."""
    try:
        load()
    except (RecordError, ExportFileError) as error:
        assert not storage.table_exists(name)
        return error.details, str(error)
    rows = storage.execute(f"SELECT * FROM {name} ORDER BY rowid")
    place = rows.columns.index("properties")
    found = [
        (*row[:place], json.loads(row[place], parse_float=number, parse_int=number), *row[place:])
        for row in rows.fetchall()
    ]
    storage.drop_table(name)
    return [(*row[: place + 1], *row[place + 2 :]) for row in found]


def number(text: str) -> Decimal | str:
    """Return the value of a number, or its text where the exponent is beyond everything."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def main() -> None:
    """Fuzz until told to stop."""
    atheris = import_module("atheris")
    with tempfile.TemporaryDirectory() as folder:
        for module in (export_reader, export_records, json_documents, times, values):
            for function in vars(module).values():
                if isinstance(function, FunctionType):
                    atheris.instrument_func(function)
        atheris.Setup(sys.argv, lambda content: agree(content, Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
