"""PostgreSQL's functions that DuckDB has under another name, or puts together from others."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import type_coerce
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import BindParameter, FunctionFilter, _anonymous_label
from sqlalchemy.sql.functions import Function
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import Float, Integer, Numeric, String, TypeDecorator

from mixpanel_data.dialect.sql.builtin import qualify_builtins

#: Functions that have another name only.
_NAMES = {
    "btrim": "trim",
    "date_bin": "time_bucket",
    "every": "bool_and",
    **{
        f"jsonb_{name}": f"json_{name}"
        for name in ("array_length", "each", "extract_path", "extract_path_text", "pretty")
    },
    "jsonb_strip_nulls": "json_strip_nulls",
    "to_jsonb": "to_json",
    **{
        f"{kind}_build_{made}": f"json_{made}"
        for kind in ("json", "jsonb")
        for made in ("object", "array")
    },
    **{f"{kind}_object_agg": "json_group_object" for kind in ("json", "jsonb")},
}

#: Functions of a document and the names of members, of which DuckDB's take one.
_PATHS = {f"{kind}_extract_path{end}" for kind in ("json", "jsonb") for end in ("", "_text")}

#: Aggregates of which DuckDB's are macros, with neither ORDER BY nor FILTER: lists as documents.
_LISTS = {"json_agg", "jsonb_agg"}

_JSON_TYPE = """CASE json_type({0}) WHEN 'VARCHAR' THEN 'string' WHEN 'BIGINT' THEN 'number'
    WHEN 'UBIGINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' ELSE lower(json_type({0})) END"""

#: Functions of one document, as SQL.
_OF_DOCUMENTS = {
    f"{kind}_{name}": sql
    for kind in ("json", "jsonb")
    for name, sql in {
        "array_elements": "unnest(json_extract({0}, '$[*]'))",
        "array_elements_text": "unnest(json_extract_string({0}, '$[*]'))",
        "object_keys": "unnest(json_keys({0}))",
        "typeof": _JSON_TYPE,
    }.items()
}

#: Functions of a value and a pattern of ``to_char``, as SQL.
_OF_PATTERNS = {
    "to_char": "strftime({0}, {1})",
    "to_date": "CAST(strptime({0}, {1}) AS DATE)",
    "to_timestamp": "strptime({0}, {1})",
}

#: SQLAlchemy 2.1 has a kind of their own for floats.
_NUMBERS = (Float, Integer, Numeric)

#: Functions in FROM whose only column DuckDB calls "unnest" or "generate_series".
_OF_ONE_COLUMN = {"unnest", "generate_series", *_OF_DOCUMENTS}

# https://www.postgresql.org/docs/current/functions-formatting.html
# https://duckdb.org/docs/stable/sql/functions/dateformat
_PATTERNS = {
    "YYYY": "%Y",
    "YY": "%y",
    "IYYY": "%G",
    "IW": "%V",
    "ID": "%u",
    "MM": "%m",
    "FMMonth": "%B",
    "Mon": "%b",
    "DDD": "%j",
    "DD": "%d",
    "FMDD": "%-d",
    "FMMM": "%-m",
    "FMDay": "%A",
    "Dy": "%a",
    "HH24": "%H",
    "HH12": "%I",
    "HH": "%I",
    "FMHH24": "%-H",
    "FMHH12": "%-I",
    "MI": "%M",
    "SS": "%S",
    "MS": "%g",
    "US": "%f",
    "AM": "%p",
    "PM": "%p",
    "TZ": "%Z",
}
_PATTERN = re.compile(
    r'"(?P<text>[^"]*)"|(?P<known>{})|(?P<unknown>[A-Za-z]+)|(?P<other>.)'.format(
        "|".join(sorted(_PATTERNS, key=len, reverse=True))
    ),
    re.DOTALL,
)


def strftime_pattern(pattern: str) -> str:
    """Return a pattern of PostgreSQL's ``to_char`` as one of ``strftime``.

    Raises:
        ValueError: A part of it has no equal.

    Example:
        >>> strftime_pattern('YYYY-MM-DD"T"HH24:MI')
        '%Y-%m-%dT%H:%M'
    """
    parts = []
    for found in _PATTERN.finditer(pattern):
        if (unknown := found["unknown"]) is not None:
            raise ValueError(
                f"{unknown!r} in the pattern {pattern!r} has no equal in DuckDB. "
                "Use func.strftime(value, pattern), with patterns such as '%Y-%m'."
            )
        known = found["known"]
        parts.append(
            _PATTERNS[known]
            if known
            else (found["text"] or found["other"] or "").replace("%", "%%")
        )
    return "".join(parts)


class _Pattern(TypeDecorator[str]):
    """A pattern of ``to_char``, bound as one of ``strftime``."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else strftime_pattern(value)

    process_literal_param = process_bind_param  # type: ignore[assignment]


class FunctionCompiler(PGCompiler):
    """Compiles calls of functions."""

    def visit_function(self, func: Any, *args: Any, **kw: Any) -> str:
        """Write a function of PostgreSQL with DuckDB's words."""
        name = func.name.lower()
        if func.packagenames:
            return str(super().visit_function(func, *args, **kw))
        if name in _PATHS:
            func = _of_one_member(func)
        if name in _LISTS:
            return f"CAST({super().visit_function(_as_list(func), *args, **kw)} AS JSON)"
        is_rewritten = name in _OF_DOCUMENTS or name in _OF_PATTERNS
        given = list(func.clause_expr.element) if is_rewritten else []  # next_value() has none
        if name in _OF_DOCUMENTS and len(given) == 1:
            cell = self.process(given[0], **kw)
            return qualify_builtins(_OF_DOCUMENTS[name]).format(cell)
        if name == "to_char" and given and given[0].type._type_affinity in _NUMBERS:
            raise CompileError(
                "DuckDB has no to_char() for numbers. Use func.format('{:,.2f}', value) or "
                "func.printf('%.2f', value); to_char() of a time works."
            )
        if name in _OF_PATTERNS and len(given) == 2 and isinstance(given[1], BindParameter):
            pattern: Any = type_coerce(given[1], _Pattern).typed_expression
            cells = [self.process(given[0], **kw), self.process(pattern, **kw)]
            return qualify_builtins(_OF_PATTERNS[name]).format(*cells)
        return str(super().visit_function(_renamed(func, _NAMES.get(name)), *args, **kw))

    def visit_funcfilter(self, funcfilter: Any, **kw: Any) -> str:
        """Write FILTER behind an aggregate, which may be within a cast."""
        text = super().visit_funcfilter(found := _as_list(funcfilter), **kw)
        return str(text) if found is funcfilter else f"CAST({text} AS JSON)"

    def visit_over(self, over: Any, **kw: Any) -> str:
        """Write OVER behind an aggregate, which may be within a cast."""
        text = super().visit_over(found := _as_list(over), **kw)
        return str(text) if found is over else f"CAST({text} AS JSON)"

    def visit_table_valued_alias(self, element: Any, **kw: Any) -> str:
        """Name the column of a function in FROM: as PostgreSQL does, or as the function."""
        function, is_within_another = element.element, "enclosing_alias" in kw
        while isinstance(function, TableValuedAlias):
            function = function.element
        name = getattr(function, "name", "").lower()
        if name not in _OF_ONE_COLUMN or is_within_another:
            return str(super().visit_table_valued_alias(element, **kw))
        (name, *others) = (column.name for column in element.columns)
        if isinstance(name, _anonymous_label):  # of column_valued()
            text = str(super().visit_table_valued_alias(element, **kw))
            _, is_in_from, alias = text.rpartition(" AS ")
            return f"{text}({alias})" if is_in_from else text
        if not others:
            element = element._clone()
            element._render_derived = True
        return str(super().visit_table_valued_alias(element, **kw))


def _as_list(element: Any) -> Any:
    """Return an aggregate that makes a document, with FILTER and OVER, as one of a list."""
    if isinstance(element, Function):
        is_list = not element.packagenames and element.name.lower() in _LISTS
        return _renamed(element, "list" if is_list else None)
    name = "func" if isinstance(element, FunctionFilter) else "element"
    inner = getattr(element, name)
    if not isinstance(inner, (Function, FunctionFilter)) or (found := _as_list(inner)) is inner:
        return element
    element = element._clone()
    setattr(element, name, found)
    return element


def _of_one_member(func: Any) -> Any:
    """Return a function of members as one of the last of them."""
    document, *members = func.clause_expr.element
    if len(members) < 2:
        return func
    for member in members[:-1]:
        document = Function("json_extract_path", document, member)
    return Function(func.name, document, members[-1], type_=func.type)


def _renamed(func: Any, name: str | None) -> Any:
    """Return a function under another name, None for its own."""
    if name is None:
        return func
    func = func._clone()
    func.name = name
    return func
