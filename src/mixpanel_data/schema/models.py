"""Mapped classes over the library's tables, for applications that use SQLAlchemy's ORM.

The mixins take their columns from :mod:`~mixpanel_data.schema.tables`. Importing them does not
import the ORM.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, Column, Connection, DateTime, Table, delete, event, insert, inspect

from mixpanel_data.common.names import check_table_name
from mixpanel_data.dialect.sql.derived import DERIVED
from mixpanel_data.schema import property_columns, versions
from mixpanel_data.schema.column_types import UtcDateTime
from mixpanel_data.schema.model_fields import declare_fields
from mixpanel_data.schema.property_columns import check_column_name, declared_in
from mixpanel_data.schema.property_sql import sql_column
from mixpanel_data.schema.tables import (
    ABOUT_TABLES,
    MANAGED,
    METADATA_TABLE,
    TRACKED,
    managed_columns,
)
from mixpanel_data.types import PropertyColumn, PropertyType, TableType

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


def property_column(
    property: str,
    type: PropertyType | None = None,  # noqa: A002
    name: str | None = None,
) -> Any:
    """Declare the column of a property in a mapped class.

    Inserts and updates of ``properties`` fill it; it cannot be set itself.

    Args:
        property: Name of the property, such as ``"$browser"``.
        type: Type of the column, ``VARCHAR`` by default; see :class:`PropertyColumn`.
        name: Name of the column, by default that of the property.

    Raises:
        PropertyColumnError: No column can have that name. It is a ``ValueError``.

    Example:
        >>> from sqlalchemy.orm import DeclarativeBase
        >>> from mixpanel_data import EventMixin, property_column
        >>> class Base(DeclarativeBase):
        ...     pass
        >>> class Signup(EventMixin, Base):
        ...     __tablename__ = "events_jan"
        ...     browser = property_column("$browser")
        >>> Signup.__table__.columns.keys()[-1]
        '$browser'
    """
    from sqlalchemy.orm import mapped_column

    declared = PropertyColumn(property, type, name)
    check_column_name(declared)
    column = _of_class(sql_column(declared))
    value = column.info[DERIVED]
    made: Any = mapped_column(
        column.name,
        column.type,
        default=value,
        onupdate=value,
        info=column.info,
        sort_order=1,  # after the columns of the mixins
    )
    return made


def _of_class(column: Column[Any]) -> Column[Any]:
    """Give a column the type that it has in mapped classes."""
    if isinstance(column.type, DateTime):
        column.type = UtcDateTime()
    elif isinstance(column.type, JSON):
        column.type = JSON(none_as_null=True)
    return column


def model(kind: TableType, name: str, columns: tuple[PropertyColumn, ...] = ()) -> type[Any]:
    """Return a new mapped class of an events or profiles table.

    Args:
        kind: ``"events"`` or ``"profiles"``.
        name: Name of the table, as the database spells it.
        columns: Its property columns. The attributes have the names of the columns.

    Example:
        >>> model("events", "events_jan")
        <class 'mixpanel_data.schema.models.EventsJan'>
    """
    from sqlalchemy.orm import registry

    class_name = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    body: dict[str, Any] = {"__tablename__": name, "__module__": __name__}
    for column in columns:
        body[column.column_name] = property_column(column.property, column.type, column.name)
    return registry().mapped(type(class_name, (_MIXINS[kind],), body))


def _model_columns(kind: TableType) -> list[Column[Any]]:
    """Return new columns of a mapped class."""
    columns = list(map(_of_class, managed_columns(kind)))
    for column in columns:
        if isinstance(column.type, JSON):
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
    property_columns.record(connection, table.name, declared_in(table))


def _forget(table: Table, connection: Connection, **_: Any) -> None:
    names = inspect(connection).get_table_names()
    for internal in ABOUT_TABLES:
        if internal.name in names:
            of_table = internal.c.table_name == table.name
            connection.execute(delete(internal).where(of_table))


for _kind, _mixin in _MIXINS.items():
    for _column in _model_columns(_kind):
        setattr(_mixin, _column.name, _column)
