"""The columns of the mixins as fields of SQLModel classes and mapped dataclasses.

Both ignore what is no field.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, Column


def declare_fields(mapped: type[Any], columns: Iterable[Column[Any]]) -> None:
    """Declare columns as fields of a class that lacks them, if its kind of class needs that."""
    sqlmodel, orm = sys.modules.get("sqlmodel"), sys.modules.get("sqlalchemy.orm")
    own = inspect.get_annotations(mapped)
    missing = [column for column in columns if column.name not in own]
    if sqlmodel is not None and issubclass(mapped, sqlmodel.SQLModel):
        _declare_in_sqlmodel(mapped, missing, own)
    elif (
        orm is not None
        and issubclass(mapped, orm.MappedAsDataclass)
        # The columns of a mapped base class are there already.
        and not any(hasattr(base, "__mapper__") for base in mapped.__bases__)
    ):
        _declare_in_dataclass(mapped, missing, own)


def _declare_in_dataclass(
    mapped: type[Any], columns: Iterable[Column[Any]], own: dict[str, Any]
) -> None:
    """Declare fields before those of the class, and those with a default after them."""
    from sqlalchemy.orm import Mapped, mapped_column

    required: dict[str, Any] = {}
    optional: dict[str, Any] = {}
    for column in columns:
        default: Any = {"default": None} if column.nullable else {}
        made: Any = mapped_column(column.type, sort_order=-1, **default)
        made.column = column  # whose listeners a copy would lack
        setattr(mapped, column.name, made)
        kind: Any = _python_type(column)
        (optional if column.nullable else required)[column.name] = Mapped[kind]
    mapped.__annotations__ = required | own | optional


def _declare_in_sqlmodel(
    mapped: type[Any], missing: Iterable[Column[Any]], own: dict[str, Any]
) -> None:
    sqlmodel = sys.modules["sqlmodel"]
    # pydantic warns of fields that a base has as attributes: here the columns of the mixin.
    for base in mapped.__bases__:
        shadowed = f'Field name .* shadows an attribute in parent "{base.__qualname__}"'
        warnings.filterwarnings("ignore", shadowed, UserWarning)
    for column in missing:
        default = {"default": None} if column.nullable else {}
        type.__setattr__(mapped, column.name, sqlmodel.Field(sa_column=column, **default))
    mapped.__annotations__ = {column.name: _python_type(column) for column in missing} | own


def _python_type(column: Column[Any]) -> Any:
    kind: Any = dict[str, Any] if isinstance(column.type, JSON) else column.type.python_type
    return kind | None if column.nullable else kind
