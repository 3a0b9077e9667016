"""Values of SQLAlchemy statements as the types of their columns say.

SQL text has no such types: its values are DuckDB's own, and times naive UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Executable
from sqlalchemy.types import TypeEngine

from mixpanel_data.common.values import is_missing
from mixpanel_data.schema.column_types import UtcDateTime

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Types = Sequence[TypeEngine[Any]]


def types_of(statement: Executable | str) -> Types:
    """Return the types of the columns of a statement's result, none where it does not tell."""
    found: Any = getattr(statement, "selected_columns", None)
    if found is None:
        found = getattr(statement, "exported_columns", ())
    return [column.type for column in found]


def typed_frame(connection: Connection, frame: pd.DataFrame, types: Types) -> pd.DataFrame:
    """Return a DataFrame with the values that the types make of DuckDB's.

    Args:
        connection: Where it comes from.
        frame: As DuckDB made it.
        types: The types of its columns.
    """
    if len(types) != frame.shape[1]:
        return frame
    for position, type_ in enumerate(types):
        series = frame.iloc[:, position]
        if isinstance(type_, UtcDateTime) and series.dtype.kind == "M":
            made = series.dt.tz_localize("UTC")
        elif (convert := _converter(connection, type_)) is not None and _is_of_objects(series):
            values = [convert(_none(value)) for value in series]
            made = type(series)(values, index=series.index, dtype=object)
        else:
            continue
        frame.isetitem(position, made)
    return frame


def _is_of_objects(series: pd.Series[Any]) -> bool:
    """Tell whether the values are Python's. pandas 3 has a type of its own for texts."""
    return series.dtype.kind not in "iufbmMc"


def _none(value: Any) -> Any:
    """Return None for what pandas has in its place."""
    return None if is_missing(value) else value


def _converter(connection: Connection, type_: TypeEngine[Any]) -> Any:
    dialect = connection.dialect
    return type_.dialect_impl(dialect).result_processor(dialect, None)


def typed_schema(schema: pa.Schema, types: Types) -> pa.Schema:
    """Return the Arrow schema of a result in which our times are in UTC."""
    import pyarrow as pa

    if len(types) != len(schema):
        return schema
    utc = pa.timestamp("us", "UTC")
    return pa.schema(
        field.with_type(utc) if isinstance(type_, UtcDateTime) else field
        for field, type_ in zip(schema, types, strict=True)
    )
