"""What converts the members of structs and maps: the processors of the members' own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import types
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.numeric import Numeric

Processor = Callable[[Any], Any]

#: Processors that only expressions need, with the ``asdecimal`` of what DuckDB gives as a member.
_FOR_EXPRESSIONS: dict[Any, object] = {
    types.Float.result_processor: False,
    types.LargeBinary.result_processor: None,
    Numeric.result_processor: True,
}


def of_bound(kind: TypeEngine[Any], dialect: Dialect) -> Processor | None:
    """Return what makes a parameter of a member, None for nothing."""
    return kind.dialect_impl(dialect).bind_processor(dialect)


def of_result(kind: TypeEngine[Any], dialect: Dialect, coltype: object) -> Processor | None:
    """Return what converts a member of a result, None for nothing."""
    own = kind.dialect_impl(dialect)
    if _FOR_EXPRESSIONS.get(type(own).result_processor, ...) == getattr(own, "asdecimal", None):
        return None
    return own.result_processor(dialect, coltype)


def of_literal(kind: TypeEngine[Any], dialect: Dialect) -> Callable[[Any], str]:
    """Return what makes the SQL of a member."""
    compiler: Any = dialect.statement_compiler(dialect, None)
    return lambda value: compiler.render_literal_value(value, kind)


def _key(name: str) -> bytes:
    """Return what the names of a field have in common: DuckDB ignores the case of ASCII letters."""
    return name.encode().lower()


def struct_processor(
    fields: Mapping[str, TypeEngine[Any]], of: Callable[[TypeEngine[Any]], Processor | None]
) -> Processor | None:
    """Return what converts a dict with the processors of its fields, None if none has one."""
    found = {_key(name): made for name, kind in fields.items() if (made := of(kind))}

    def process(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            name: convert(item) if (convert := found.get(_key(name))) else item
            for name, item in value.items()
        }

    return process if found else None


def lists_of(
    given: Mapping[Any, Any], of_key: Processor | None, of_value: Processor | None
) -> tuple[list[Any], list[Any]]:
    """Return the keys and the values of a map, converted."""
    keys, values = given, given.values()
    return (
        list(map(of_key, keys) if of_key else keys),
        list(map(of_value, values) if of_value else values),
    )


def map_processor(of_key: Processor | None, of_value: Processor | None) -> Processor | None:
    """Return what converts the keys and the values of a dict, None for nothing."""

    def process(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys, values = lists_of(value, of_key, of_value)
        return dict(zip(keys, values, strict=True))

    return process if of_key or of_value else None


def struct_literal(fields: Mapping[str, TypeEngine[Any]], dialect: Dialect) -> Callable[[Any], str]:
    """Return what makes the SQL of a struct, whose fields may be left out."""
    made = {_key(name): of_literal(kind, dialect) for name, kind in fields.items()}

    def process(value: Any) -> str:
        items = (f"{quoted(name)}: {made[_key(name)](item)}" for name, item in value.items())
        return f"{{{', '.join(items)}}}"

    return process


def map_literal(
    of_key: Callable[[Any], str], of_value: Callable[[Any], str]
) -> Callable[[Any], str]:
    """Return what makes the SQL of a map."""

    def process(value: Any) -> str:
        items = (f"{of_key(key)}: {of_value(item)}" for key, item in value.items())
        return f"MAP {{{', '.join(items)}}}"

    return process
