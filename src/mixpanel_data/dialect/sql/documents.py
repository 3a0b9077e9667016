"""Members of JSON documents, and the operators of PostgreSQL's JSON and JSONB."""

from __future__ import annotations

from typing import Any

from sqlalchemy import literal, type_coerce
from sqlalchemy.exc import CompileError
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import BinaryExpression, BindParameter, False_, True_
from sqlalchemy.sql.functions import ReturnTypeFromArgs
from sqlalchemy.types import (
    ARRAY,
    JSON,
    BigInteger,
    Integer,
    String,
    to_instance,
)

from mixpanel_data.dialect.sql.builtin import BUILTIN
from mixpanel_data.dialect.sql.functions import FunctionCompiler
from mixpanel_data.dialect.sql.json_types import BracedPath

#: PostgreSQL's JSON operators. In DuckDB their precedence is lower than that of ``=``.
_JSON_OPERATORS = {
    "->": "json_extract",
    "->>": "json_extract_string",
    "#>": "json_extract",
    "#>>": "json_extract_string",
}
#: Those of a path, and those that make text.
_OF_PATHS, _OF_TEXT = {"#>", "#>>"}, {"->>", "#>>"}
#: PostgreSQL's operators for the keys of an object, as functions of a list of them.
_KEY_OPERATORS = {"?": "list_contains", "?|": "list_has_any", "?&": "list_has_all"}

_ANYWHERE = "func.json_contains(document, part) looks at every depth, and so finds more."
_PATH = 'Compare a member: column["name"].as_integer() > 0.'
_CHANGE = "func.json_merge_patch(document, patch) changes members; null removes one."
_NO_OPERATORS = {
    "||": _CHANGE,
    "-": _CHANGE,
    "@>": _ANYWHERE,
    "<@": _ANYWHERE,
    "@?": _PATH,
    "@@": _PATH,
    "#-": _CHANGE,
}
#: The same operators where SQLAlchemy has one for every type.
_NO_OPERATORS_OF_ALL_TYPES = {operators.concat_op: "||", operators.sub: "-"}
_COMPARISONS = {
    operators.eq,
    operators.ne,
    operators.in_op,
    operators.not_in_op,
    operators.is_distinct_from,
    operators.is_not_distinct_from,
}

_REPLACE = f"{BUILTIN}replace("


def _as_document(binary: BinaryExpression[Any]) -> Any:
    """Return the right side of a comparison as a document; one of the column's own type stays."""
    value = binary.right
    if isinstance(value, (True_, False_)):
        constant, kind = isinstance(value, True_), binary.left.type
        value = literal(constant, kind.coerce_compared_value(binary.operator, constant))
    if isinstance(value, BindParameter) and value.type._type_affinity is not JSON:
        return type_coerce(value, JSON).typed_expression
    return value


def _as_path(value: Any) -> Any:
    """Return the right side of ``#>``, which is an array of names in PostgreSQL."""
    if isinstance(value, BindParameter):
        is_own = isinstance(value.type, JSON.JSONPathType)
        return value if is_own else type_coerce(value, BracedPath).typed_expression
    if value.type._type_affinity is ARRAY:
        raise CompileError(
            "DuckDB takes no array of names as the path of a member. Write the path into the "
            "statement: column[('a', 'b')].astext, or column.op('#>>')('{a,b}')."
        )
    return value


def _is_text(value: Any) -> bool:
    """Tell whether a value that SQLAlchemy takes for a document is the text of a member.

    That is so for ``column.op("->>")("name")``, also within a subquery.
    """
    if getattr(getattr(value, "type", None), "_type_affinity", None) is not JSON:
        return False
    for column in value.proxy_set:
        operator: Any = getattr(column, "operator", None)
        if getattr(operator, "opstring", "") in _OF_TEXT and operator.return_type is None:
            return True
        if isinstance(column, ReturnTypeFromArgs) and any(map(_is_text, column.clauses)):
            return True
        if operator is operators.concat_op and _is_text(column.left):
            return True
    return False


def _refuse(operator: str | None) -> None:
    """Raise for an operator of JSONB that DuckDB does not have, or has for text only."""
    if (advice := _NO_OPERATORS.get(operator or "")) is not None:
        raise CompileError(f"DuckDB has no operator {operator} of PostgreSQL's JSONB. {advice}")


class DocumentCompiler(FunctionCompiler):
    """Compiles what reads documents."""

    def visit_json_getitem_op_binary(
        self, binary: Any, operator: Any, *args: Any, **kw: Any
    ) -> str:
        """Extract a member of a document as the type that ``as_integer()`` and the like set."""
        affinity = binary.type._type_affinity
        if affinity is JSON:
            return self._json_function("json_extract", binary, **kw)
        text = self._json_function("json_extract_string", binary, **kw)
        if affinity is String:
            return text
        # JSON integers may exceed 32 bits.
        wide = BigInteger() if affinity is Integer else binary.type
        return f"CAST({text} AS {self.dialect.type_compiler_instance.process(wide)})"

    def visit_json_path_getitem_op_binary(
        self, binary: Any, operator: Any, *args: Any, **kw: Any
    ) -> str:
        """Extract a nested member of a document in the same way."""
        return self.visit_json_getitem_op_binary(binary, operator, **kw)

    def visit_binary(self, binary: Any, *args: Any, **kw: Any) -> str:
        """Compare documents with documents, and refuse what DuckDB does to their text.

        SQLAlchemy binds the ``"pro"`` of ``column["plan"] == "pro"`` as text, and DuckDB would cast
        every member that it compares with a number to a number.
        """
        is_document = binary.left.type._type_affinity is JSON and not _is_text(binary.left)
        if binary.operator in _COMPARISONS and is_document:
            binary = binary._clone()
            binary.right = _as_document(binary)
        if is_document and binary.type._type_affinity is JSON:
            _refuse(_NO_OPERATORS_OF_ALL_TYPES.get(binary.operator))
        text: str = super().visit_binary(binary, *args, **kw)
        return text

    def visit_custom_op_binary(
        self, element: BinaryExpression[Any], operator: Any, **kw: Any
    ) -> str:
        """Write a custom operator, such as that of PostgreSQL's ``astext``."""
        function = _JSON_OPERATORS.get(operator.opstring)
        if isinstance(element.left.type, JSON):
            if operator.opstring in _KEY_OPERATORS:
                keys = f"{BUILTIN}json_keys({self.process(element.left, **kw)})"
                name = _KEY_OPERATORS[operator.opstring]
                return f"{BUILTIN}{name}({keys}, {self.process(element.right, **kw)})"
            _refuse(operator.opstring)
        if function is None or not isinstance(element.left.type, JSON):
            text: str = super().visit_custom_op_binary(element, operator, **kw)
            return text
        if operator.opstring in _OF_PATHS:
            element = element._clone()
            element.right = _as_path(element.right)
        return self._json_function(function, element, **kw)

    def _add_to_result_map(
        self, keyname: str, name: str, objects: tuple[Any, ...], type_: Any
    ) -> None:
        """Let text of documents be text in results, too."""
        type_ = String() if any(map(_is_text, objects)) else type_
        super()._add_to_result_map(keyname, name, objects, type_)

    def _json_function(self, name: str, binary: BinaryExpression[Any], **kw: Any) -> str:
        path = binary.right
        is_parameter = isinstance(path, BindParameter)
        if is_parameter and not self.for_executemany:
            # GROUP BY treats two equal literals as the same expression, but not two parameters.
            path = path.render_literal_execute()
            if path.unique:
                # Its key has the column's name, which SQLAlchemy may not find in the SQL again.
                path.key = f"json_path_{len(self.binds)}"
            # SQLAlchemy leaves a class here for a bindparam() without a type.
            path.type = to_instance(path.type)
        text = self.process(path, **kw)
        if not is_parameter and path.type._type_affinity is String:  # a name from the database
            escaped = f"{_REPLACE}{_REPLACE}{text}, '~', '~0'), '/', '~1')"
            text = f"{BUILTIN}\"||\"('/', {escaped})"
        return f"{BUILTIN}{name}({self.process(binary.left, **kw)}, {text})"
