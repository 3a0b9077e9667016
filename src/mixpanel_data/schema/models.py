"""Mapped classes over the library's tables, for applications that use SQLAlchemy's ORM.

The mixins take their columns from :mod:`~mixpanel_data.schema.tables`. Importing them does not
import the ORM.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, Connection, DateTime, Table, delete, event, insert

from mixpanel_data.common.names import check_table_name
from mixpanel_data.schema import versions
from mixpanel_data.schema.column_types import UtcDateTime
from mixpanel_data.schema.model_fields import declare_fields
from mixpanel_data.schema.tables import MANAGED, METADATA_TABLE, TRACKED, managed_columns
from mixpanel_data.types import TableType

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapped


class EventMixin:
    """Makes a declarative class the model of an events table.

    Times are aware datetimes in UTC. Properties are dicts; a session saves changes inside them, at
    any depth: ``event.properties["plan"] = "pro"``.
    ``metadata.create_all()`` creates an empty managed table, which a ``StorageEngine`` lists and
    appends to; an existing table does not change. ``insert_id`` identifies a row. In a table that
    was loaded with ``primary_key=False``, a session can add a second row with the same id: load
    such tables through the ``StorageEngine``, which refuses it.

    Example:
        >>> from sqlalchemy.orm import DeclarativeBase
        >>> from mixpanel_data import EventMixin
        >>> class Base(DeclarativeBase):
        ...     pass
        >>> class Signup(EventMixin, Base):
        ...     __tablename__ = "events_jan"
        >>> Signup.__table__.columns.keys()
        ['event_name', 'event_time', 'distinct_id', 'insert_id', 'properties']
    """

    if TYPE_CHECKING:  # for type checkers only; a test compares it with the declaration
        event_name: Mapped[str]
        event_time: Mapped[datetime]
        distinct_id: Mapped[str]
        insert_id: Mapped[str]
        properties: Mapped[dict[str, Any] | None]

    def __init_subclass__(cls, **options: Any) -> None:
        declare_fields(cls, _model_columns("events"))
        super().__init_subclass__(**options)


class ProfileMixin:
    """Makes a declarative class the model of a profiles table, see :class:`EventMixin`.

    Example:
        >>> from sqlalchemy.orm import DeclarativeBase
        >>> from mixpanel_data import ProfileMixin
        >>> class Base(DeclarativeBase):
        ...     pass
        >>> class User(ProfileMixin, Base):
        ...     __tablename__ = "users"
        >>> User(distinct_id="user-1", properties={"$city": "Zürich"}).properties["$city"]
        'Zürich'
    """

    if TYPE_CHECKING:
        distinct_id: Mapped[str]
        properties: Mapped[dict[str, Any] | None]
        last_seen: Mapped[datetime | None]

    def __init_subclass__(cls, **options: Any) -> None:
        declare_fields(cls, _model_columns("profiles"))
        super().__init_subclass__(**options)


_MIXINS: dict[TableType, type[Any]] = {"events": EventMixin, "profiles": ProfileMixin}


@cache
def model(kind: TableType, name: str) -> type[Any]:
    """Return the mapped class of an events or profiles table, the same one for each name.

    Args:
        kind: ``"events"`` or ``"profiles"``.
        name: Name of the table, as the database spells it.

    Example:
        >>> model("events", "events_jan")
        <class 'mixpanel_data.schema.models.EventsJan'>
    """
    from sqlalchemy.orm import registry

    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    made = type(class_name, (_MIXINS[kind],), {"__tablename__": name, "__module__": __name__})
    return registry().mapped(made)


def _model_columns(kind: TableType) -> list[Column[Any]]:
    """Return new columns of a mapped class."""
    columns = managed_columns(kind)
    for column in columns:
        if isinstance(column.type, DateTime):
            column.type = UtcDateTime()
        elif isinstance(column.type, JSON):
            column.type = JSON(none_as_null=True)
            column.info = {**column.info, TRACKED: True}
        if column.primary_key:
            watch = partial(_watch, kind)
            event.listen(column, "after_parent_attach", watch, propagate=True)
    return columns


def _watch(kind: TableType, key: Column[Any], table: Table) -> None:
    """Add a table's metadata when ``create_all()`` creates it, delete it when it is dropped."""
    check_table_name(table.name)
    _track(kind)
    table.info[MANAGED] = kind
    event.listen(table, "after_create", partial(_record, kind))
    event.listen(table, "after_drop", _forget)


@cache
def _track(kind: TableType) -> None:
    from mixpanel_data.schema.documents import track_documents

    track_documents(_MIXINS[kind])


def _record(kind: TableType, table: Table, connection: Connection, **_: Any) -> None:
    versions.ensure(connection)
    _forget(table, connection)
    row = {"type": kind, "fetched_at": datetime.now(timezone.utc).replace(tzinfo=None)}
    connection.execute(insert(METADATA_TABLE).values(table_name=table.name, row_count=0, **row))


def _forget(table: Table, connection: Connection, **_: Any) -> None:
    if versions.version_of(connection).revision is not None:
        of_table = METADATA_TABLE.c.table_name == table.name
        connection.execute(delete(METADATA_TABLE).where(of_table))


for _kind, _mixin in _MIXINS.items():
    for _column in _model_columns(_kind):
        setattr(_mixin, _column.name, _column)
