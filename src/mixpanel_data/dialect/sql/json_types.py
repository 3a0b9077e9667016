"""The dialect's types of documents and of the steps into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import types
from sqlalchemy.engine import Dialect

from mixpanel_data.dialect.sql.json_paths import braced_path, nested_path, path, text_literal


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
        return self.written

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes the SQL text of a path."""
        return lambda value: text_literal(self.written(value))

    @staticmethod
    def written(value: Any) -> str:
        """Return the path of what is in brackets."""
        return path([value] if isinstance(value, str | int) else value)


class BracedPath(_Path):
    """What is on the right of PostgreSQL's ``#>`` and ``#>>``."""

    @staticmethod
    def written(value: Any) -> str:
        """Return the path of an array of names."""
        return braced_path(value)


class JSONIndex(_Path, types.JSON.JSONIndexType):
    """The index in ``column["name"]`` or ``column[0]``."""


class JSONPath(_Path, types.JSON.JSONPathType):
    """The index in ``column["name", 0]``."""

    @staticmethod
    def written(value: Any) -> str:
        """Return the path of what is in brackets."""
        return nested_path(value)
