"""The columns of the mixins as fields of a SQLModel class, which ignores what is no field."""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, Column


def declare_fields(mapped: type[Any], columns: Iterable[Column[Any]]) -> None:
    """Declare columns as fields of a class, if it is one of SQLModel's and lacks them."""
    sqlmodel = sys.modules.get("sqlmodel")
    if sqlmodel is None or not issubclass(mapped, sqlmodel.SQLModel):
        return
    # pydantic warns of fields that a base has as attributes: here the columns of the mixin.
    for base in mapped.__bases__:
        shadowed = f'Field name .* shadows an attribute in parent "{base.__qualname__}"'
        warnings.filterwarnings("ignore", shadowed, UserWarning)
    own = inspect.get_annotations(mapped)
    missing = [column for column in columns if column.name not in own]
    for column in missing:
        default = {"default": None} if column.nullable else {}
        type.__setattr__(mapped, column.name, sqlmodel.Field(sa_column=column, **default))
    mapped.__annotations__ = {column.name: _python_type(column) for column in missing} | own


def _python_type(column: Column[Any]) -> Any:
    kind: Any = dict[str, Any] if isinstance(column.type, JSON) else column.type.python_type
    return kind | None if column.nullable else kind
