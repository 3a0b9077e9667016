"""The options of a load, checked before anything is read or written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from sqlalchemy import Table

from mixpanel_data.common.names import check_table_name
from mixpanel_data.exceptions import MetadataError
from mixpanel_data.schema.tables import key_of, managed_table
from mixpanel_data.types import OnConflict, TableMetadata, TableType

Progress = Callable[[int], object]


@dataclass(frozen=True)
class LoadOptions:
    """Where rows go, and how.

    Attributes:
        kind: Type of the table.
        name: Name of the table; in any case when rows are appended.
        metadata: How the rows were fetched.
        progress: Called with the number of rows so far, after each batch.
        append: Add to an existing table instead of creating one.
        batch_size: The most rows of a batch, None for a default that fits the data.
        primary_key: Put the constraint on the key column of a new table.
        on_conflict: Which row of several with the same key to keep.

    Raises:
        TableNameError: No table can have that name.
        MetadataError: The metadata is that of another type of table.
        ValueError: Another option has an impossible value.
    """

    kind: TableType
    name: str
    metadata: TableMetadata
    progress: Progress | None = None
    append: bool = False
    batch_size: int | None = None
    primary_key: bool = True
    on_conflict: OnConflict = "ignore"

    def __post_init__(self) -> None:
        """Check the options, in this order."""
        check_table_name(self.name)
        if self.metadata.type != self.kind:
            problem = f"is {self.metadata.type!r}. Use {self.kind!r} for a table of {self.kind}."
            raise MetadataError("type", problem)
        if self.on_conflict not in (known := get_args(OnConflict)):
            raise ValueError(f"on_conflict is {self.on_conflict!r}. Use one of {known}.")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}. Use a positive number of rows.")

    @cached_property
    def table(self) -> Table:
        """Declaration of the table."""
        return managed_table(self.kind, self.name)

    @cached_property
    def key(self) -> str:
        """Name of the column that identifies a row."""
        return key_of(self.table).name
