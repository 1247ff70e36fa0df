"""Faults of a configuration as plain data, with their places."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.config_check import FaultyConfig, Finding, check_config, warnings_of
from nexus.domain.tenant import TenantConfig

GOOD: dict[str, Any] = {"tenant_id": "shop", "system_prompt": "Be kind."}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def places(data: dict[str, Any]) -> set[str]:
    config, found = check_config(data)
    assert (config is None) == bool(found)
    return {one.pointer for one in found}


def test_a_good_one_is_the_configuration_and_null_counts_as_left_out() -> None:
    assert check_config({**GOOD, "limits": None})[0] == TenantConfig(**GOOD)


def test_every_fault_has_its_place() -> None:
    wrong = {"limits": {"tool_timeout_s": 0}, "enabled_tools": ["a", "a"], "barge_in": {"sensitivity": "x"}}
    assert places({**wrong, "tenant_id": "Shop!", "a/b~c": 1}) == {
        "/tenant_id",
        "/system_prompt",
        "/limits/tool_timeout_s",
        "/enabled_tools",
        "/a~1b~0c",
        "/barge_in/sensitivity",
    }


@given(st.dictionaries(st.sampled_from([*TenantConfig.model_fields, "strange"]), JSON, max_size=6))
def test_whatever_is_given_there_is_a_configuration_or_a_fault(data: dict[str, Any]) -> None:
    config, found = check_config(data)
    assert (config is None) == bool(found)
    for one in found:
        assert one.code and one.detail and one.sentence.endswith(one.detail)


def test_the_error_says_the_same_in_lines() -> None:
    found = (Finding(("limits", "x"), "extra_forbidden", "is no field here"), Finding((), "missing", "empty"))
    error = FaultyConfig("two faults", found)
    assert (error.code, error.faults) == ("invalid_config", ("limits.x: is no field here", "config: empty"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"knowledge_base": "x" * 12_001}, "knowledge_cut"),
        ({"knowledge_base": "x" * 12_000}, None),
        ({"greeting": ""}, "greeting_empty"),
        ({"greeting": "", "first_speaker": "caller"}, None),
        ({"greeting": "Hi, Dana here.", "first_speaker": "caller"}, "never_said"),
        ({"first_speaker": "caller"}, None),
        ({"recording": {"enabled": True, "consent_line": "This call is recorded."}}, None),
        ({"recording": {"enabled": True}}, "consent_missing"),
        ({"recording": {"enabled": True, "consent_line": "  "}}, "consent_missing"),
        ({"recording": {"consent_line": "This call is recorded."}}, "never_said"),
        ({"barge_in": {"enabled": False}}, None),
        ({"barge_in": {"enabled": False, "sensitivity": "high"}}, "never_read"),
        ({"barge_in": {"enabled": True, "sensitivity": "high"}}, None),
        ({"tool_settings": {"a": 1}, "enabled_tools": ["book"]}, None),
        ({"engines": ["text", "cascade"]}, "no_voice"),
        ({"engines": ["cascade", "text"]}, None),
    ],
)
def test_warnings(change: dict[str, Any], code: str | None) -> None:
    config, _ = check_config(GOOD | change)
    assert config is not None
    assert [one.code for one in warnings_of(config)] == ([] if code is None else [code])
