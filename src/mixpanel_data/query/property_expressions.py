"""The SQL that reads a property, from its column where that says the same as the document.

What a column does not tell comes from the document of the same row, so answers do not depend on
columns. A missing property and a null are both NULL in a column. ``VARCHAR`` does not tell texts
from other values that are written alike, numbers for instance. The other types do not tell which
text or number a value was made of, but for ``JSON``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mixpanel_data.common.quoting import quoted
from mixpanel_data.dialect.sql.json_paths import path_literal
from mixpanel_data.types import ColumnInfo

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


#: What the JSON of a number, a list or an object begins with.
_NO_TEXT = ", ".join(map(quoted, "-0123456789{["))


class PropertyExpression(NamedTuple):
    """The SQL of a property of a row.

    Attributes:
        value: Its value as JSON, NULL where the row does not have it, or ``plain`` has it. Equal
            ones are equal in type and text.
        plain: Its value where that is surely a text, NULL elsewhere; None if no column has texts.
    """

    value: str
    plain: str | None = None

    @property
    def selected(self) -> str:
        """The SQL that gives the parts their names, for a subquery that the others read."""
        value = f"{self.value} AS value"
        return value if self.plain is None else f"{self.plain} AS plain, {value}"

    @property
    def named(self) -> PropertyExpression:
        """The parts by the names that ``selected`` gives them."""
        return PropertyExpression("value", None if self.plain is None else "plain")

    @property
    def text(self) -> str:
        """The SQL of the value as text, NULL for a null."""
        return self._unless_plain(f"json_extract_string({self.value}, '$')", self.plain)

    @property
    def type(self) -> str:
        """The SQL of DuckDB's name for the type of the value, NULL if there is no value."""
        return self._unless_plain(f"json_type({self.value})", "'VARCHAR'")

    def _unless_plain(self, of_json: str, of_plain: str | None) -> str:
        if self.plain is None:
            return of_json
        return f"CASE WHEN {self.plain} IS NULL THEN {of_json} ELSE {of_plain} END"


def property_expression(columns: Mapping[str, ColumnInfo], name: str) -> PropertyExpression:
    """Return the SQL that reads a property of a managed table, whatever its name is.

    Args:
        columns: The columns of properties that are what the documents say, by property.
        name: Name of the property.

    Example:
        >>> print(property_expression({}, "$browser").value)
        json_extract(properties, '$."$browser"')
    """
    value = f"json_extract(properties, {path_literal([name])})"
    column = columns.get(name)
    if column is None or column.type not in ("JSON", "VARCHAR"):
        return PropertyExpression(value)
    cell = quoted(column.name, '"')
    if column.type == "JSON":
        return PropertyExpression(f"CASE WHEN {cell} IS NULL THEN {value} ELSE {cell} END")
    is_text = f"{cell} NOT IN ('true', 'false') AND substr({cell}, 1, 1) NOT IN ({_NO_TEXT})"
    return PropertyExpression(
        f"CASE WHEN {is_text} THEN NULL ELSE {value} END", f"CASE WHEN {is_text} THEN {cell} END"
    )
