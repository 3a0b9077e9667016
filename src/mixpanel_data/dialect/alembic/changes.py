"""Collects pending changes, for one table or for many."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.types import TypeEngine, to_instance


@dataclass
class Changes:
    """Changes that are made together; the order of the calls does not matter.

    Expressions are SQL over the old columns, with their old names and types.

    Attributes:
        added: New columns, by name.
        filled: Expressions for the values of columns, new ones included, by name.
        renamed: New names by old ones.
        retyped: New types by column.
        dropped: Columns to drop.

    Example:
        >>> from sqlalchemy import Column, String
        >>> changes = Changes()
        >>> changes.add_column(Column("source", String), fill="'export'")
        >>> changes.rename_column("event_name", "name")
        >>> changes.renamed
        {'event_name': 'name'}
    """

    added: dict[str, Column[Any]] = field(default_factory=dict)
    filled: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    retyped: dict[str, TypeEngine[Any]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def add_column(self, column: Column[Any], *, fill: str | None = None) -> None:
        """Add a column after the others.

        Args:
            column: Its name, type, nullability, ``server_default`` and comment.
            fill: Expression for its values; by default they are its default or NULL.
        """
        self._claim(column.name)
        self.added[column.name] = column
        if fill is not None:
            self.filled[column.name] = fill

    def fill(self, name: str, expression: str) -> None:
        """Give an existing column new values."""
        self._claim(name)
        self.filled[name] = expression

    def rename_column(self, name: str, new_name: str) -> None:
        """Rename a column; keys and checks follow, views that use the old name break."""
        self._claim(name)
        self.renamed[name] = new_name

    def change_type(
        self,
        name: str,
        type_: TypeEngine[Any] | type[TypeEngine[Any]],
        *,
        using: str | None = None,
    ) -> None:
        """Change the type of a column.

        Args:
            name: The column.
            type_: Its new type.
            using: Expression for its values; by default they are cast.
        """
        self._claim(name)
        self.retyped[name] = to_instance(type_)
        if using is not None:
            self.filled[name] = using

    def drop_column(self, name: str) -> None:
        """Drop a column with its values."""
        self._claim(name)
        self.dropped.add(name)

    def _claim(self, name: str) -> None:
        if name in {*self.added, *self.filled, *self.renamed, *self.retyped, *self.dropped}:
            raise InvalidRequestError(f"Column {name!r} is changed twice. Change it in two blocks.")
