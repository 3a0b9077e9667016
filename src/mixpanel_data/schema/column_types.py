"""The column type of times: stored as naive UTC, returned as aware datetimes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, DateTime, Interval
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import TypeDecorator

from mixpanel_data.common.times import EPOCH, microseconds

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.sql.operators import OperatorType
    from sqlalchemy.types import TypeEngine


class UtcDateTime(TypeDecorator[datetime]):
    """A ``TIMESTAMP`` in UTC, whatever the time zone of a bound value.

    Accepts what a record's time may be: a datetime (naive means UTC), ISO 8601 text (without an
    offset: UTC), or epoch seconds. Returns aware datetimes in UTC.

    Raises:
        sqlalchemy.exc.StatementError: A bound value is none of these. It wraps the ``ValueError``.

    Example:
        >>> from datetime import datetime, timezone
        >>> from sqlalchemy import create_engine, literal, select
        >>> from mixpanel_data import UtcDateTime
        >>> moment = literal("2025-01-31T12:00:00+01:00", UtcDateTime)
        >>> with create_engine("duckdb+mixpanel:///:memory:").connect() as connection:
        ...     str(connection.scalar(select(moment)))
        '2025-01-31 11:00:00+00:00'
    """

    impl = DateTime
    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        """The class of the values; SQLAlchemy 2.0.14 does not ask ``impl``."""
        return datetime

    def process_bind_param(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the time in UTC, without a zone."""
        if type(value) is datetime and value.tzinfo is timezone.utc:
            return value.replace(tzinfo=None)  # a shortcut for most times
        return None if value is None else EPOCH + timedelta(microseconds=microseconds(value))

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone."""
        return None if value is None else value.replace(tzinfo=timezone.utc)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """Return the type of the other operand: ``INTERVAL`` for a ``timedelta``."""
        return Interval() if isinstance(value, timedelta) else self


def _keep_type(function: str, position: int) -> None:
    """Let ``func.<function>`` give the type of an argument that is a time or a document."""

    def of_argument(self: GenericFunction[Any], *arguments: Any, **options: Any) -> None:
        for argument in arguments[position : position + 1]:
            if isinstance(kind := getattr(argument, "type", None), (UtcDateTime, JSON)):
                options.setdefault("type_", kind)
        GenericFunction.__init__(self, *arguments, **options)

    body = {"__init__": of_argument, "name": function, "inherit_cache": True}
    type(function, (GenericFunction,), body)


# DuckDB's functions that give a value for one of its kind, of which SQLAlchemy knows no type.
for _function in ("date_trunc", "time_bucket"):
    _keep_type(_function, 1)
for _function in ("any_value", "arg_max", "arg_min", "first", "last", "first_value", "last_value"):
    _keep_type(_function, 0)
for _function in ("nth_value", "lag", "lead", "greatest", "least", "nullif", "ifnull"):
    _keep_type(_function, 0)
