"""DuckDB types that neither SQLAlchemy nor duckdb-engine compiles to DuckDB's syntax."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

from duckdb_engine import datatypes
from sqlalchemy import types
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.types import TypeEngine, to_instance

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.members import (
    Processor,
    lists_of,
    map_literal,
    map_processor,
    of_bound,
    of_literal,
    of_result,
    struct_literal,
    struct_processor,
)


class Fields(dict[str, TypeEngine[Any]]):
    """Fields of a struct or union: equal, for SQLAlchemy's statement cache, if their types are."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fields) and self._key == other._key

    def __hash__(self) -> int:  # type: ignore[override]
        """Return a hash of names and types, in order."""
        return hash(self._key)

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return tuple((name, _cache_key(kind)) for name, kind in self.items())


def _cache_key(kind: TypeEngine[Any]) -> Any:
    """Return what types that work alike share; a type that is not to be cached is its own."""
    key: Any = kind._static_cache_key  # private, but types of applications can have any state
    return kind if key is NO_CACHE else key


_Type = type[TypeEngine[Any]] | TypeEngine[Any]


def _instances(fields: Mapping[str, _Type]) -> Fields:
    return Fields((name, to_instance(kind)) for name, kind in fields.items())


#: SQLAlchemy 2.1 asks every type for its operators.
_ANY_OPERATOR: Any = getattr(getattr(operators, "OperatorClass", None), "ANY", None)


class Struct(datatypes.Struct):
    """STRUCT that compiles outside ``CREATE TABLE`` too, unlike duckdb-engine's.

    Its values are dicts, and the values in them those of the types of the fields.
    """

    operator_classes = _ANY_OPERATOR

    def __init__(self, fields: Mapping[str, _Type] | None) -> None:
        """Take the types of the fields, classes or instances, in order."""
        super().__init__(_instances(fields or {}))

    @property
    def python_type(self) -> type[Any]:
        """The class of the values."""
        return dict

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """Return the function that prepares a parameter, None for nothing."""
        return struct_processor(self.fields, lambda kind: of_bound(kind, dialect))

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Return the function that converts a result, None for nothing."""
        return struct_processor(self.fields, lambda kind: of_result(kind, dialect, coltype))

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes the SQL of a value."""
        return struct_literal(self.fields, dialect)


class Map(datatypes.Map):
    """MAP that can be empty, unlike duckdb-engine's.

    Its values are dicts, and the keys and values in them those of their types.
    """

    operator_classes = _ANY_OPERATOR

    def __init__(self, key_type: _Type, value_type: _Type) -> None:
        """Take the types of the keys and of the values, classes or instances."""
        super().__init__(to_instance(key_type), to_instance(value_type))

    @property
    def python_type(self) -> type[Any]:
        """The class of the values."""
        return dict

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Return the function that prepares a parameter."""
        key, value = of_bound(self.key_type, dialect), of_bound(self.value_type, dialect)
        return partial(_bound_map, key, value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Return the function that converts a result, None for nothing."""
        if self.key_type._type_affinity in _LISTED:
            return None
        key, value = (
            of_result(kind, dialect, coltype) for kind in (self.key_type, self.value_type)
        )
        return map_processor(key, value)

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        """Return the function that makes the SQL of a value."""
        return map_literal(of_literal(self.key_type, dialect), of_literal(self.value_type, dialect))


def _bound_map(of_key: Processor | None, of_value: Processor | None, given: Any) -> Any:
    if given is None:
        return None
    keys, values = lists_of(given, of_key, of_value)
    return {"key": keys, "value": values}


#: Types of keys that no dict can have: DuckDB gives such a map as two lists.
_LISTED = {types.ARRAY, datatypes.Struct, datatypes.Map}


class Union(datatypes.Union):
    """UNION that compiles outside ``CREATE TABLE`` too, unlike duckdb-engine's.

    DuckDB chooses the member by the value, so that the types of the members convert nothing.
    """

    operator_classes = _ANY_OPERATOR

    def __init__(self, fields: Mapping[str, _Type]) -> None:
        """Take the types of the fields, classes or instances, in order."""
        super().__init__(_instances(fields))


class FixedArray(types.ARRAY[Any]):
    """Array with a fixed size in some dimension: ``INTEGER[3]`` or ``INTEGER[3][]``."""

    sizes: tuple[int | None, ...]

    def __init__(
        self,
        item_type: _Type,
        sizes: int | Sequence[int | None] | None = None,
        *,
        dimensions: int | None = None,
        as_tuple: bool = False,
        zero_indexes: bool = False,
    ) -> None:
        """Take the type of the innermost values, and a size for each dimension.

        Args:
            item_type: Type of the innermost values, class or instance.
            sizes: The size, or the sizes, innermost first; None for any length.
            dimensions: How many there are, if there are no sizes.
            as_tuple: As for SQLAlchemy's ``ARRAY``.
            zero_indexes: As for SQLAlchemy's ``ARRAY``.
        """
        if sizes is not None:
            self.sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
            dimensions = len(self.sizes)
        else:
            self.sizes = (None,) * (dimensions or 1)
        super().__init__(
            item_type, dimensions=dimensions, as_tuple=as_tuple, zero_indexes=zero_indexes
        )


#: Types whose literals the compiler makes of the values alone.
_BY_VALUE = {types.Interval, types.LargeBinary()._type_affinity}


class Array(ARRAY[Any]):
    """Array of any length, the implementation of SQLAlchemy's ``ARRAY``."""

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str] | None:
        """Return the function that makes the SQL of a value, None where there is none for items."""
        item_impl = self.item_type.dialect_impl(dialect)
        is_known = item_impl.literal_processor(dialect) or item_impl._type_affinity in _BY_VALUE
        if not is_known:
            return None
        item = of_literal(self.item_type, dialect)
        return lambda value: self._apply_item_processor(value, item, self.dimensions, _in_brackets)


def _in_brackets(items: Iterable[str | None]) -> str:
    return "[{}]".format(", ".join("NULL" if item is None else item for item in items))


class TimestampS(types.TIMESTAMP):
    """TIMESTAMP_S, in seconds."""

    spelling = "TIMESTAMP_S"


class TimestampMS(types.TIMESTAMP):
    """TIMESTAMP_MS, in milliseconds."""

    spelling = "TIMESTAMP_MS"


class TimestampNS(types.TIMESTAMP):
    """TIMESTAMP_NS, in nanoseconds."""

    spelling = "TIMESTAMP_NS"


class TimestampTZNS(types.TIMESTAMP):
    """TIMESTAMPTZ_NS, in nanoseconds with a time zone."""

    spelling = "TIMESTAMPTZ_NS"

    def __init__(self, timezone: bool = True) -> None:  # noqa: FBT001, FBT002 (SQLAlchemy's)
        """Make a type with a time zone; ``timezone`` is there for SQLAlchemy's ``adapt()``."""
        super().__init__(timezone=timezone)


class TimeNS(types.TIME):
    """TIME_NS, in nanoseconds."""

    spelling = "TIME_NS"


class Variant(types.TypeEngine[Any]):
    """VARIANT, a value of any type with its type."""

    operator_classes = _ANY_OPERATOR
    spelling = "VARIANT"


class Geometry(types.TypeEngine[Any]):
    """GEOMETRY, a shape in space."""

    operator_classes = _ANY_OPERATOR

    def __init__(self, reference_system: str | None = None) -> None:
        """Take the name of a coordinate reference system, such as ``OGC:CRS84``."""
        self.reference_system = reference_system

    @property
    def spelling(self) -> str:
        """The name in SQL."""
        return f"GEOMETRY({quoted(self.reference_system)})" if self.reference_system else "GEOMETRY"


class Bit(types.String):
    """BIT, a string of bits of any length."""

    spelling = "BIT"


def _compile_spelling(type_: Any, compiler: Any, **options: Any) -> str:
    return str(type_.spelling)


def _compile_fields(type_: Any, compiler: Any, **options: Any) -> str:
    quote = compiler.dialect.identifier_preparer.quote_identifier
    fields = [
        f"{quote(name)} {compiler.process(field, **options)}"
        for name, field in type_.fields.items()
    ]
    return f"{type_.__visit_name__.upper()}({', '.join(fields)})"


def _compile_array(type_: Any, compiler: Any, **options: Any) -> str:
    sizes = ("" if size is None else size for size in type_.sizes)
    return "".join([compiler.process(type_.item_type, **options), *(f"[{s}]" for s in sizes)])


_COMPILED: dict[type[TypeEngine[Any]], Callable[..., str]] = {
    Bit: _compile_spelling,
    FixedArray: _compile_array,
    Geometry: _compile_spelling,
    Struct: _compile_fields,
    TimeNS: _compile_spelling,
    TimestampMS: _compile_spelling,
    TimestampNS: _compile_spelling,
    TimestampS: _compile_spelling,
    TimestampTZNS: _compile_spelling,
    Union: _compile_fields,
    Variant: _compile_spelling,
}
for _type, _compile in _COMPILED.items():
    compiles(_type, "duckdb")(_compile)
