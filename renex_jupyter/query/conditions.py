"""Conditions and orders of a user over runs, as SQL over maps: `metrics.accuracy > 0.9 and params.model = 'svc'`.

A text is read by DuckDB's own parser and written again from what that understood, so that it is one expression whatever
stands in it. In between, `metrics.KEY`, `params.KEY` and `tags.KEY` become the values of maps, read as what they are
compared with.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from renex_jupyter.errors import invalid_argument
from renex_jupyter.store.reader import Reader

MAPS = ("params", "metrics", "tags")
NUMBERS = "params.number"  # the map of the numbers of params, beside that of their texts
HINT = (
    "Use one SQL expression over the columns of runs, metrics.KEY, params.KEY and tags.KEY, such as "
    "metrics.accuracy > 0.9 and params.model = 'svc'; a key with a slash is quoted: metrics.\"val/loss\"."
)
Node = dict[str, Any]

_NUMBER, _TEXT, _BOOLEAN, _RAW = "number", "text", "boolean", "raw"  # how a value is asked for
_KINDS = {  # by the name of a type in the parser's answer
    **dict.fromkeys(("VARCHAR", "CHAR", "UUID"), _TEXT),
    "BOOLEAN": _BOOLEAN,
    **dict.fromkeys(("FLOAT", "DOUBLE", "DECIMAL", "BIGNUM"), _NUMBER),
    **{
        f"{sign}{size}": _NUMBER
        for sign in ("", "U")
        for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
    },
}
_NUMERIC_COLUMNS = frozenset({"duration_s", "exit_code", "peak_memory_bytes", "output_size"})
_OPERATORS = ("+", "-", "*", "/", "//", "%", "**", "^", "@")
_ROUNDING = ("abs", "ceil", "ceiling", "floor", "round", "sign")
_POWERS = ("sqrt", "cbrt", "ln", "log", "log2", "log10", "exp", "pow", "power")
_OF_NUMBERS = frozenset({*_OPERATORS, *_ROUNDING, *_POWERS})
_OF_RAW = frozenset({"isnan", "isinf", "isfinite", "typeof"})  # these ask for NaN itself
_COMPARED = {"COMPARISON": ("left", "right"), "BETWEEN": ("input", "lower", "upper")}


class Conditions:
    """What a question asks of runs, as SQL, and which keys of the maps that needs."""

    def __init__(self, read: Reader) -> None:
        self._read = read
        self.keys: dict[str, set[str] | None] = {}  # by map that is named; None: the whole of it

    def where(self, text: str) -> str:
        """Return a condition of a user as one SQL expression.

        Raises
        ------
        RenexError : `invalid_argument`, with DuckDB's own words, for what is not one expression.
        """
        node = self._parsed(f"select {text}\n", text)
        _refuse_unless(len(node["select_list"]) == 1 and not node["modifiers"], "condition", text)
        found = node["select_list"][0]
        _refuse_unless(not found["alias"] and found["class"] != "STAR", "condition", text)
        node["select_list"] = [self._read_as(found, _BOOLEAN)]
        return self._written(node).removeprefix("SELECT ")

    def order(self, text: str) -> str:
        """Return an order of a user as what follows `order by`; a param goes by its numbers, then by its texts.

        Raises
        ------
        RenexError : `invalid_argument`, with DuckDB's own words, for what is no order.
        """
        node = self._parsed(f"select 1 order by {text}\n", text)
        kinds = [each["type"] for each in node["modifiers"]]
        _refuse_unless(kinds == ["ORDER_MODIFIER"], "order", text)
        modifier = node["modifiers"][0]
        modifier["orders"] = [
            {**each, "expression": self._read_as(each["expression"], kind)}
            for each in modifier["orders"]
            for kind in ((_NUMBER, _TEXT) if _is_open(each["expression"]) else (_TEXT,))
        ]
        return self._written(node).removeprefix("SELECT 1 ORDER BY ")

    def _parsed(self, query: str, text: str) -> Node:
        """Return the one SELECT that a text was put into, if nothing else has become of it."""
        if "\0" in text:
            raise invalid_argument("a condition holds a NUL.", HINT)
        answer = json.loads(
            self._read.rows("select json_serialize_sql($text::varchar) as tree", {"text": query})[0]["tree"]
        )
        if answer["error"]:
            kind = str(answer.get("error_type", "parser")).capitalize()
            _refuse_unless(not kind.startswith("Not implemented"), "condition", text)  # more than one statement
            raise invalid_argument(f"{kind} Error: {answer['error_message']}", HINT)
        statements = answer["statements"]
        _refuse_unless(len(statements) == 1 and not statements[0].get("named_param_map"), "condition", text)
        node: Node = statements[0]["node"]
        bare = node["type"] == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY" and not node["cte_map"]["map"]
        rest = ("where_clause", "group_expressions", "having", "sample", "qualify")
        _refuse_unless(bare and not any(node[each] for each in rest), "condition", text)
        return node

    def _written(self, node: Node) -> str:
        tree = json.dumps({"error": False, "statements": [{"node": node, "named_param_map": []}]})
        return str(self._read.rows("select json_deserialize_sql($tree::json) as text", {"tree": tree})[0]["text"])

    def _read_as(self, node: Any, kind: str) -> Any:
        """Return a part of a tree in which each key is read as what stands around it asks for."""
        try:
            return self._part(node, kind)
        except RecursionError as error:
            raise invalid_argument("a condition is nested too deeply.", HINT) from error

    def _part(self, node: Any, kind: str) -> Any:
        if isinstance(node, list):
            return [self._part(each, kind) for each in node]
        if not isinstance(node, dict):
            return node
        named = _named(node)
        if named is not None:
            return self._value(*named, kind, by_index=node["class"] == "OPERATOR")
        group = node.get("class")
        if group == "COLUMN_REF":
            if node["column_names"][0].lower() in MAPS:
                self.keys[node["column_names"][0].lower()] = None
            return node
        if group == "SUBQUERY":
            self._look_into(node["subquery"])
            return {**node, "child": self._part(node.get("child"), _TEXT)}
        if group in _COMPARED:
            return self._compared(node, _COMPARED[group])
        if group == "OPERATOR":
            return {**node, "children": self._part(node["children"], _asked_of_operands(node, kind))}
        if group == "FUNCTION":
            name = node["function_name"].lower()
            inner = _NUMBER if name in _OF_NUMBERS else _RAW if name in _OF_RAW else _TEXT
            return {key: self._part(each, inner) for key, each in node.items()}
        if group == "CASE":
            return self._case(node, kind)
        inner = _BOOLEAN if group == "CONJUNCTION" else _TEXT
        return {key: self._part(each, inner) for key, each in node.items()}

    def _compared(self, node: Node, names: Sequence[str]) -> Node:
        sides = [node[name] for name in names]
        kind = _common(map(_kind, sides))
        if all(map(_is_open, sides)):  # both are numbers, or both are compared as texts
            numbers, texts = (
                {**node, **{name: self._part(node[name], each) for name in names}} for each in (_NUMBER, _TEXT)
            )
            known = [_operator("OPERATOR_IS_NOT_NULL", numbers[name]) for name in names]
            both = _node("CONJUNCTION", "CONJUNCTION_AND", children=known)
            checks = [{"when_expr": both, "then_expr": numbers}]
            return _node("CASE", "CASE_EXPR", case_checks=checks, else_expr=texts)
        return {**node, **{name: self._part(node[name], kind) for name in names}}

    def _case(self, node: Node, kind: str) -> Node:
        checks = [
            {"when_expr": self._part(each["when_expr"], _BOOLEAN), "then_expr": self._part(each["then_expr"], kind)}
            for each in node["case_checks"]
        ]
        return {**node, "case_checks": checks, "else_expr": self._part(node["else_expr"], kind)}

    def _value(self, name: str, key: str, kind: str, *, by_index: bool) -> Node:
        """Return the value of a key: `params['lr']` is the text that it always was, `params.lr` what is asked for."""
        known = self.keys.setdefault(name, set())
        if known is not None:
            known.add(key)
        value = _at(name, key)
        if (
            name == "metrics"
        ):  # NaN compares with nothing, as everywhere else; DuckDB's own is greater than every number
            return value if kind == _RAW else _function("nullif", value, _cast(_constant("nan"), "DOUBLE"))
        if by_index or kind in (_TEXT, _RAW):
            return value
        if kind == _BOOLEAN:
            return _cast(value, "BOOLEAN")
        number = _cast(value, "DOUBLE")
        return _operator("OPERATOR_COALESCE", _at(NUMBERS, key), number) if name == "params" else number

    def _look_into(self, node: Any) -> None:
        """Take note of the maps that a subquery may name; what is in it keeps its own meaning, `metrics` is a table there."""
        if isinstance(node, list):
            for each in node:
                self._look_into(each)
        elif isinstance(node, dict):
            for name in node.get("column_names") or ():
                if str(name).lower() in MAPS:
                    self.keys[str(name).lower()] = None
            for each in node.values():
                self._look_into(each)


def _refuse_unless(holds: object, what: str, text: str) -> None:
    if not holds:
        raise invalid_argument(f"{text[:60]!r} is more than one {what}, or none.", HINT)


def _named(node: Node) -> tuple[str, str] | None:
    """Return map and key of `metrics.KEY`, whose dots belong to the key, or of `metrics['KEY']`; None for anything else."""
    if node.get("class") == "COLUMN_REF":
        first, *rest = node["column_names"]
        if first.lower() == "runs" and len(rest) > 1:
            first, *rest = rest
        return (first.lower(), ".".join(rest)) if rest and first.lower() in MAPS else None
    if node.get("type") == "ARRAY_EXTRACT":
        outer, index = node["children"]
        word = index["value"]["value"] if index.get("class") == "CONSTANT" and not index["value"]["is_null"] else None
        if outer.get("class") == "COLUMN_REF" and isinstance(word, str) and len(outer["column_names"]) == 1:
            name = outer["column_names"][0].lower()
            return (name, word) if name in MAPS else None
    return None


def _is_open(node: Node) -> bool:
    """Say whether a value is read as what it is compared with: `params.lr`, `tags.size`."""
    named = _named(node)
    return named is not None and named[0] != "metrics" and node["class"] == "COLUMN_REF"


def _kind(node: Node) -> str:
    """Return what a part of a tree is: number, text, boolean; "" where it depends."""
    named, group = _named(node), node.get("class")
    if named is not None:
        return _NUMBER if named[0] == "metrics" else "" if group == "COLUMN_REF" else _TEXT
    if group == "CONSTANT":
        return "" if node["value"]["is_null"] else _KINDS.get(node["value"]["type"]["id"], _TEXT)
    if group == "CAST":
        return _KINDS.get(node["cast_type"]["id"], _TEXT)
    if group == "COLUMN_REF":
        return _NUMBER if node["column_names"][-1].lower() in _NUMERIC_COLUMNS else ""
    if group == "FUNCTION":
        return _NUMBER if node["function_name"].lower() in _OF_NUMBERS else ""
    if group in ("COMPARISON", "BETWEEN", "CONJUNCTION"):
        return _BOOLEAN
    if node.get("type") == "OPERATOR_COALESCE":
        return _common(map(_kind, node["children"]), "")
    if group == "CASE":
        return _common([_kind(each["then_expr"]) for each in node["case_checks"]] + [_kind(node["else_expr"])], "")
    return ""


def _common(kinds: Iterable[str], otherwise: str = _TEXT) -> str:
    """Return how values that are compared are read: a text among them makes all of them texts."""
    found = set(kinds)
    return next((each for each in (_TEXT, _NUMBER, _BOOLEAN) if each in found), otherwise)


def _asked_of_operands(node: Node, kind: str) -> str:
    """Return how the operands of an operator are read."""
    if node["type"] in ("OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
        return _RAW
    if node["type"] == "OPERATOR_NOT":
        return _BOOLEAN
    if node["type"] in ("COMPARE_IN", "COMPARE_NOT_IN"):
        return _common(map(_kind, node["children"]))
    if node["type"] == "OPERATOR_COALESCE":
        return _common(map(_kind, node["children"]), kind)
    return _TEXT


def _node(group: str, kind: str, **more: Any) -> Node:
    """Return a part of a tree, as `json_serialize_sql` writes it."""
    return {"class": group, "type": kind, "alias": "", "query_location": 0, **more}


def _constant(text: str) -> Node:
    value = {"type": {"id": "VARCHAR", "type_info": None}, "is_null": False, "value": text}
    return _node("CONSTANT", "VALUE_CONSTANT", value=value)


def _at(name: str, key: str) -> Node:
    return _operator("ARRAY_EXTRACT", _node("COLUMN_REF", "COLUMN_REF", column_names=[name]), _constant(key))


def _operator(kind: str, *children: Node) -> Node:
    return _node("OPERATOR", kind, children=list(children))


def _cast(child: Node, kind: str) -> Node:
    return _node("CAST", "OPERATOR_CAST", child=child, cast_type={"id": kind, "type_info": None}, try_cast=True)


def _function(name: str, *children: Node) -> Node:
    order = {"type": "ORDER_MODIFIER", "orders": []}
    more = {"filter": None, "order_bys": order, "distinct": False, "is_operator": False, "export_state": False}
    return _node("FUNCTION", "FUNCTION", function_name=name, schema="", catalog="", children=list(children), **more)
