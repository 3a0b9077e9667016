"""Property columns in Parquet: their fields say what they are, so that a load leaves them out.

Otherwise it would take them for further properties, and put them into the documents.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_MARK = b"mixpanel_data:property_column"


def with_marks(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    """Return an Arrow schema in which the fields of some names are those of property columns."""
    for position, field in enumerate(schema):
        if field.name in names:
            metadata = {**(field.metadata or {}), _MARK: b""}
            schema = schema.set(position, field.with_metadata(metadata))
    return schema


def is_marked(field: pa.Field) -> bool:
    """Tell whether a field is that of a property column."""
    return _MARK in (field.metadata or {})
