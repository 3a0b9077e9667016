"""Parses SQL from DuckDB's catalog: types, column definitions, names."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from duckdb_engine import datatypes as engine_types
from sqlalchemy import types, util
from sqlalchemy.types import TypeEngine

from mixpanel_data.dialect import datatypes
from mixpanel_data.dialect.sql.lexer import TokenReader
from mixpanel_data.dialect.sql.type_aliases import ENDINGS, own_name, sized_type

_NAME = r'(?:"(?:[^"]|"")*"|[^".][^.]*)'
_QUALIFIED = re.compile(rf"(?:({_NAME})\.)?({_NAME})")

#: Types that take no numbers, by their names in ``duckdb_columns()``.
_PLAIN: dict[str, Callable[[], TypeEngine[Any]]] = {
    "BIGINT": types.BIGINT,
    "BIGNUM": engine_types.VarInt,
    "BLOB": types.LargeBinary,
    "BOOLEAN": types.BOOLEAN,
    "DATE": types.DATE,
    "DOUBLE": types.DOUBLE_PRECISION,
    "HUGEINT": engine_types.HugeInteger,
    "INTEGER": types.INTEGER,
    "INTERVAL": types.Interval,
    "JSON": types.JSON,
    "SMALLINT": types.SMALLINT,
    "TIME": types.TIME,
    "TIME WITH TIME ZONE": lambda: types.TIME(timezone=True),
    "TIME_NS": datatypes.TimeNS,
    "TIMESTAMP WITH TIME ZONE": lambda: types.TIMESTAMP(timezone=True),
    "TIMESTAMPTZ_NS": datatypes.TimestampTZNS,
    "TIMESTAMP_MS": datatypes.TimestampMS,
    "TIMESTAMP_NS": datatypes.TimestampNS,
    "TIMESTAMP_S": datatypes.TimestampS,
    "TINYINT": engine_types.TinyInteger,
    "UBIGINT": engine_types.UBigInteger,
    "UHUGEINT": engine_types.UHugeInteger,
    "UINTEGER": engine_types.UInteger,
    "USMALLINT": engine_types.USmallInteger,
    "UTINYINT": engine_types.UTinyInteger,
    "VARIANT": datatypes.Variant,
    "UUID": types.UUID,
    '"NULL"': types.NullType,
}


def unquote(name: str) -> str:
    """Return a name or string without its quotes, if it has any."""
    mark = name[0]
    return name[1:-1].replace(mark * 2, mark) if mark in "\"'" else name


def without_parentheses(expression: str) -> str:
    """Return an expression without the parentheses around all of it, if there are any."""
    reader = TokenReader.of(expression)
    group = None if reader is None else reader.take_group()
    return expression if group is None or reader is None or not reader.at_end else group.text()


def split_schema(name: str) -> tuple[str | None, str]:
    """Split ``schema`` or ``database.schema`` into database and schema.

    A part that contains a dot or starts with a quote has to be quoted. Anything else is taken as
    the plain name of a schema.
    """
    match = _QUALIFIED.fullmatch(name)
    if match is None:
        return None, name
    database, schema = match.groups()
    return database and _unquote_name(database), _unquote_name(schema)


def _unquote_name(name: str) -> str:
    return unquote(name) if name.startswith('"') else name


def join_schema(*parts: str) -> str:
    """Return the text that :func:`split_schema` splits into these parts."""
    return ".".join(
        '"{}"'.format(part.replace('"', '""')) if "." in part or part.startswith('"') else part
        for part in parts
    )


def parse_type(text: str, column: str = "") -> TypeEngine[Any]:
    """Return the SQLAlchemy type for DuckDB's text of a type, under any of its names.

    An unknown type, and text that is no type, become ``NullType``, with a warning that names the
    column.
    """
    try:
        return _TypeParser(text, column).parse_all()
    except (TypeError, ValueError, IndexError):
        util.warn(f"DuckDB type {text[:100]!r} of column {column!r} is malformed")
        return types.NullType()


class _TypeParser:
    def __init__(self, text: str, column: str) -> None:
        self._tokens = TokenReader.of(text) or TokenReader("", [])
        self._column = column

    def parse_all(self) -> TypeEngine[Any]:
        found = self.parse()
        if not self._tokens.at_end:
            raise ValueError("something follows the type")
        return found

    def parse(self) -> TypeEngine[Any]:
        found = self._base(self._words())
        sizes: list[int | None] = []
        while self._tokens.accept("["):
            size = self._tokens.take_until("]").text()
            sizes.append(int(size) if size else None)
            if not self._tokens.accept("]"):
                raise ValueError("a bracket is missing")
        if any(size is not None for size in sizes):
            return datatypes.FixedArray(found, sizes)
        return types.ARRAY(found, dimensions=len(sizes)) if sizes else found

    def _words(self) -> str:
        return " ".join(token.text for token in self._tokens.take_until(*"(),[]").rest())

    def _base(self, given: str) -> TypeEngine[Any]:
        name = own_name(given)
        if name in _PLAIN:
            return _PLAIN[name]()
        if name == "ENUM":
            return types.Enum(*self._list(self._name))
        if name == "STRUCT":
            return datatypes.Struct(dict(self._list(self._field)))
        if name == "UNION":
            return datatypes.Union(dict(self._list(self._field)))
        if name == "MAP":
            key, value = self._list(self.parse)
            return datatypes.Map(key, value)
        arguments = self._tokens.take_group()
        if name == "GEOMETRY":
            text = arguments.text()[1:-1].replace("''", "'") if arguments else None
            return datatypes.Geometry(text)
        return self._sized(given, arguments)

    def _sized(self, name: str, arguments: TokenReader | None) -> TypeEngine[Any]:
        sizes = [part.text() for part in arguments.split(",")] if arguments else []
        is_known = self._words().upper() in ENDINGS
        found = sized_type(own_name(name), [size for size in sizes if size]) if is_known else None
        if found is not None:
            return found
        util.warn(f"DuckDB type {name!r} of column {self._column!r} is not known")
        return types.NullType()

    def _list(self, read: Callable[[], Any]) -> list[Any]:
        items = []
        self._tokens.accept("(")
        while not self._tokens.accept(")"):
            items.append(read())
            if not self._tokens.accept(",") and self._tokens.peek() != ")":
                raise ValueError("a parenthesis or a comma is missing")
        return items

    def _name(self) -> str:
        return unquote(self._tokens.take().text)

    def _field(self) -> tuple[str, TypeEngine[Any]]:
        return self._name(), self.parse()


class ColumnDefinition(NamedTuple):
    """What only the ``CREATE TABLE`` text contains about a column."""

    collation: str | None
    computed: str | None
    compression: str | None


def parse_columns(create_table: str) -> dict[str, ColumnDefinition]:
    """Parse the columns of a ``CREATE TABLE`` statement from ``duckdb_tables()``."""
    definitions: dict[str, ColumnDefinition] = {}
    for name, *clauses in _split_definitions(create_table):
        collation = computed = compression = None
        if "COLLATE" in clauses:
            collation = unquote(clauses[clauses.index("COLLATE") + 1])
        if "GENERATED" in clauses:
            computed = clauses[clauses.index("GENERATED") + 3][1:-1]
        if "COMPRESSION" in clauses:
            compression = clauses[clauses.index("COMPRESSION") + 1].lower()
        # Constraints come after the columns, one of which may be named "PRIMARY".
        definition = ColumnDefinition(collation, computed, compression)
        definitions.setdefault(unquote(name), definition)
    return definitions


def _split_definitions(create_table: str) -> list[list[str]]:
    """Split at the commas between columns; each pair of parentheses stays one piece."""
    reader = TokenReader.of(create_table)
    if reader is None:
        return []
    reader.take_until("(")
    columns = reader.take_group()
    definitions = [] if columns is None else columns.split(",")
    # DuckDB 1.5 writes an empty definition for a foreign key to the table itself.
    return [_pieces(definition) for definition in definitions if not definition.at_end]


def _pieces(definition: TokenReader) -> list[str]:
    pieces = []
    while not definition.at_end:
        if definition.peek() == "(":
            group = definition.take_group()
            pieces.append("" if group is None else f"({group.text()})")
        else:
            pieces.append(definition.take().text)
    return pieces
