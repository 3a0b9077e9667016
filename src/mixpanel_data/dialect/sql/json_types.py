"""The dialect's types of documents and of the steps into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import types
from sqlalchemy.engine import Dialect

from mixpanel_data.dialect.sql.json_paths import path, text_literal


class Document(types.JSON[Any]):
    """JSON that can also be rendered as a literal."""

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes the SQL text of a document."""
        bind = self.bind_processor(dialect)
        return lambda value: "NULL" if (text := bind(value)) is None else text_literal(text)


class _Path(types.TypeEngine[Any]):
    """Renders names and indexes as literal paths, or for several rows as parameters."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes a parameter of a path."""
        return _as_path

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes the SQL text of a path."""
        return lambda value: text_literal(_as_path(value))


def _as_path(value: Any) -> str:
    return path([value] if isinstance(value, str | int) else value)


class JSONIndex(_Path, types.JSON.JSONIndexType):
    """The index in ``column["name"]`` or ``column[0]``."""


class JSONPath(_Path, types.JSON.JSONPathType):
    """The index in ``column["name", 0]``."""
