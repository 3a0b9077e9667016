"""DuckDB types that neither SQLAlchemy nor duckdb-engine compiles to DuckDB's syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property, partial
from typing import Any

from duckdb_engine import datatypes
from sqlalchemy import types
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.cache_key import NO_CACHE
from sqlalchemy.types import TypeEngine, to_instance

from mixpanel_data.common.quoting import quoted


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
    """STRUCT that compiles outside ``CREATE TABLE`` too, unlike duckdb-engine's."""

    operator_classes = _ANY_OPERATOR

    def __init__(self, fields: Mapping[str, _Type]) -> None:
        """Take the types of the fields, classes or instances, in order."""
        super().__init__(_instances(fields))


class Map(datatypes.Map):
    """MAP that can be empty, unlike duckdb-engine's."""

    operator_classes = _ANY_OPERATOR

    def __init__(self, key_type: _Type, value_type: _Type) -> None:
        """Take the types of the keys and of the values, classes or instances."""
        super().__init__(to_instance(key_type), to_instance(value_type))

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return the function that prepares a parameter."""
        return lambda value: (
            None if value is None else {"key": list(value), "value": list(value.values())}
        )


class Union(datatypes.Union):
    """UNION that compiles outside ``CREATE TABLE`` too, unlike duckdb-engine's."""

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


class Numeric(types.Numeric[Any]):
    """DECIMAL that binds and returns exact numbers."""

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any]:
        """Return the function that prepares a parameter."""
        return _without_exponent

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        """Return the function that converts a result to the Python type of this column type.

        DuckDB's division and many of its functions return DOUBLE for DECIMAL.
        """
        return partial(_to_decimal, self.scale) if self.asdecimal else _to_float


def _without_exponent(value: Any) -> Any:
    # DuckDB 1.5 binds Decimal("1E+3") as 1.
    return Decimal(f"{value:f}") if isinstance(value, Decimal) and value.is_finite() else value


def _to_decimal(scale: int | None, value: Any) -> Decimal | None:
    if value is None or isinstance(value, Decimal):
        return value
    number = Decimal(str(value))
    return number if scale is None else round(number, scale)


def _to_float(value: Any) -> float | None:
    return None if value is None else float(value)


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
