"""What is wrong with a table, its name or its metadata."""

from __future__ import annotations

from mixpanel_data.exceptions.base import MixpanelDataError


class TableNameError(MixpanelDataError, ValueError):
    """A name that no table of ours can have.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: object) -> None:
        super().__init__(
            f"{table_name!r} cannot be the name of a table. "
            "Use letters A to Z, digits and underscores, not starting with an underscore.",
            {"table_name": table_name},
        )
        self.table_name = table_name


class TableExistsError(MixpanelDataError):
    """A table, or a view, of that name is there already.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: str, advice: str | None = None) -> None:
        advice = advice or (
            "Add to it with if_exists='append', put the new rows in its place with 'replace' (both "
            "take events and profiles tables only), or choose another name."
        )
        super().__init__(
            f"Table {table_name!r} exists already. {advice}", {"table_name": table_name}
        )
        self.table_name = table_name


class TableNotFoundError(MixpanelDataError):
    """There is no such table.

    Attributes:
        table_name: The name.
        nearest: The name of a table that may be meant, None where there is none like it.
    """

    def __init__(self, table_name: str, nearest: str | None = None) -> None:
        meant = f"Did you mean {nearest!r}? " if nearest else ""
        super().__init__(
            f"There is no table {table_name!r}. {meant}list_tables() names the tables there are; "
            "create_events_table() and create_profiles_table() make new ones.",
            {"table_name": table_name} | ({"nearest": nearest} if nearest else {}),
        )
        self.table_name = table_name
        self.nearest = nearest


class TableShapeError(MixpanelDataError, ValueError):
    """A table that cannot be an events or profiles table.

    Attributes:
        table_name: The name.
    """

    def __init__(self, table_name: str, problem: str) -> None:
        super().__init__(f"Table {table_name!r} {problem}", {"table_name": table_name})
        self.table_name = table_name


class PropertyColumnError(MixpanelDataError, ValueError):
    """A property that cannot have a column, or does not have the one that was named.

    Attributes:
        property: The property.
    """

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"Property {name!r} {problem}", {"property": name})
        self.property = name


class MetadataError(MixpanelDataError, ValueError):
    """Metadata that is malformed or does not fit the table.

    Attributes:
        field: The field of ``TableMetadata`` that is wrong.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"TableMetadata.{field} {problem}", {"field": field})
        self.field = field


class WriteConflictError(MixpanelDataError):
    """Another connection changed the same table at the same time.

    Attributes:
        table_name: The table.
    """

    def __init__(self, table_name: str) -> None:
        super().__init__(
            f"Another connection is changing table {table_name!r}. Nothing was written: "
            "try again when it is done.",
            {"table_name": table_name},
        )
        self.table_name = table_name
