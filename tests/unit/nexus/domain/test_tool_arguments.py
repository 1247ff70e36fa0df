"""Arguments become what the schema asks for, or a sentence."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.tooling.effects import effect_id
from nexus.domain.tool_arguments import check_arguments, full_schema


def schema(**properties: Any) -> dict[str, Any]:
    return full_schema({"type": "object", "properties": properties, "required": list(properties)})


@pytest.mark.parametrize(
    ("kind", "given_value", "wanted"),
    [
        ("integer", "4", 4), ("integer", 4.0, 4), ("integer", " 12 ", 12), ("integer", "4.0", 4), ("number", "4.5", 4.5),
        ("number", "4", 4), ("boolean", "yes", True), ("boolean", "False", False), ("string", 555, "555"), ("string", "a", "a"),
    ],
)  # fmt: skip
def test_what_loses_nothing_is_converted(kind: str, given_value: Any, wanted: Any) -> None:
    checked = check_arguments(schema(x={"type": kind}), {"x": given_value})
    assert (checked.problem, checked.values) == ("", {"x": wanted})
    assert type(checked.values["x"]) is type(wanted)


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", "four"), ("integer", 4.5), ("integer", "4.5"), ("boolean", "maybe"), ("number", "nan")]
)
def test_what_would_lose_something_is_refused(kind: str, value: Any) -> None:
    checked = check_arguments(schema(party_size={"type": kind}), {"party_size": value})
    assert "party_size" in checked.problem
    assert checked.spoken == "I did not get the party size right. Could you say it again?"


def test_what_is_missing_is_said() -> None:
    checked = check_arguments(
        schema(date={"type": "string"}, customer_name={"type": "string"}, phone={"type": "string"}), {"date": "x", "phone": None}
    )
    assert checked.spoken == "I still need customer name and phone for that."


def test_choices_and_bounds_are_said() -> None:
    choice = {"type": "string", "enum": ["hair cut", "beard trim"]}
    assert "hair cut or beard trim" in check_arguments(schema(service=choice), {"service": "perm"}).spoken
    assert check_arguments(schema(service=choice), {"service": "Hair_Cut"}).values == {"service": "hair cut"}
    assert "at most 8" in check_arguments(schema(n={"type": "integer", "maximum": 8}), {"n": 9}).spoken


def test_defaults_are_filled_and_strangers_dropped() -> None:
    filled = full_schema({"type": "object", "properties": {"a": {"type": "integer", "default": 3}}})
    assert check_arguments(filled, {"stranger": 1}).values == {"a": 3}


def test_the_original_shorthand_is_a_schema_with_everything_required() -> None:
    full = full_schema({"time": "string"})
    assert full == {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]}


@pytest.mark.parametrize("parameters", [{"time": "clock"}, {"time": 3}, {"type": "object", "properties": {"x": {"type": "clock"}}}])
def test_what_is_no_schema_is_named(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"time|parameters"):
        full_schema(parameters)


values = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=10), max_size=4)


@given(values)
def test_the_order_of_arguments_does_not_matter_for_the_effect(arguments: dict[str, Any]) -> None:
    backwards = dict(reversed(list(arguments.items())))
    assert effect_id("book", arguments) == effect_id("book", backwards) != effect_id("cancel", arguments)


@given(values)
def test_any_arguments_are_answered(arguments: dict[str, Any]) -> None:
    checked = check_arguments(schema(a={"type": "integer"}), arguments)
    assert bool(checked.problem) == bool(checked.spoken)


@pytest.mark.parametrize(
    "part",
    [
        {"$ref": "http://169.254.169.254/latest/meta-data"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#"},
        {"type": "string", "pattern": "^(a+)+$"},
        {"type": "object", "patternProperties": {"^(a+)+$": {}}},
        {"type": "array", "items": {"anyOf": [{"pattern": "(a|a)*b"}]}},
    ],
)
def test_a_schema_can_neither_fetch_nor_recurse_nor_run_a_regular_expression(part: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not supported"):
        full_schema({"type": "object", "properties": {"x": part}})


def test_an_argument_may_be_named_like_a_keyword() -> None:
    assert full_schema({"type": "object", "properties": {"pattern": {"type": "string", "enum": ["a"]}}})


def test_a_schema_that_nests_without_end_is_refused() -> None:
    deep: dict[str, object] = {"type": "string"}
    for _ in range(5000):
        deep = {"type": "array", "items": deep}
    with pytest.raises(ValueError, match="nest"):
        full_schema({"type": "object", "properties": {"x": deep}})
