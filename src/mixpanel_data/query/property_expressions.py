"""The SQL that reads a property."""

from __future__ import annotations

from typing import NamedTuple

from mixpanel_data.dialect.sql.json_paths import path_literal

#: What JSON Schema calls the types, by DuckDB's names; null has none.
JSON_TYPES = {
    "VARCHAR": "string",
    "BIGINT": "integer",
    "UBIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "ARRAY": "array",
    "OBJECT": "object",
}

#: DuckDB's name of the type of a null.
NULL = "NULL"


class PropertyExpression(NamedTuple):
    """The SQL of a property of a row.

    Attributes:
        value: Its value, NULL where the row does not have it. Equal ones are equal in type and
            text.
    """

    value: str

    def text(self, value: str) -> str:
        """Return the SQL of a value as text, NULL for a null.

        Args:
            value: SQL of the value, such as the name that a subquery gives it.
        """
        return f"json_extract_string({value}, '$')"

    def type(self, value: str) -> str:
        """Return the SQL of DuckDB's name for the type of a value, NULL if there is no value."""
        return f"json_type({value})"


def property_expression(table: str, name: str) -> PropertyExpression:
    """Return the SQL that reads a property of a managed table, whatever its name is.

    Args:
        table: Name of the table.
        name: Name of the property.

    Example:
        >>> print(property_expression("events_jan", "$browser").value)
        json_extract(properties, '$."$browser"')
    """
    return PropertyExpression(f"json_extract(properties, {path_literal([name])})")
