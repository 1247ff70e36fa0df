"""config.yaml: every fault at once with its line, and knowledge as prompt text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from nexus.domain.config_check import MAX_CONFIG_BYTES
from nexus.domain.config_file import parse_config
from nexus.domain.knowledge import KNOWLEDGE_HEADER, knowledge_text, prompt_text
from nexus.domain.tenant import Limits, TenantConfig
from nexus.errors import ConfigurationError

LEAST = "tenant_id: barber\nsystem_prompt: You are Yossi.\n"


def faults(text: str, folder: str = "barber") -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        parse_config(text, folder=folder)
    assert refused.value.code == "invalid_config"
    return refused.value.faults


def test_two_lines_are_a_tenant() -> None:
    config = parse_config(LEAST, folder="barber")
    assert config == TenantConfig(tenant_id="barber", system_prompt="You are Yossi.")


def test_every_fault_is_told_at_once_with_its_line() -> None:
    text = (
        "tenant_id: pizza\n"
        "greting: Hi\n"
        "voice_settings:\n"
        "  speed: fast\n"
        "limits:\n"
        "  concurrent_calls: 0\n"
        "  concurrent_calls: 0\n"
        "timezone: Mars/Base\n"
    )
    found = faults(text)
    starts = [fault.split(": ")[:2] for fault in found]
    assert ["line 1", "system_prompt"] in starts
    assert ["line 1", "tenant_id"] in starts
    assert ["line 2", "greting"] in starts
    assert ["line 4", "voice_settings.speed"] in starts
    assert ["line 7", "limits.concurrent_calls"] in starts
    assert ["line 8", "timezone"] in starts
    assert any("did you mean 'greeting'" in fault for fault in found)
    assert any("a second time" in fault for fault in found)


def test_unknown_keys_inside_a_section_name_its_nearest_field() -> None:
    assert "'sensitivity'" in faults(LEAST + "barge_in:\n  sensitivty: low\n")[0]


def test_a_syntax_error_names_its_line() -> None:
    (fault,) = faults("tenant_id: barber\nsystem_prompt: 'open\n")
    assert fault.startswith(("line 2:", "line 3:"))
    (tab,) = faults("tenant_id: barber\nlimits:\n\tconcurrent_calls: 1\n")
    assert tab.startswith("line 3:")
    assert "tab" in tab


@pytest.mark.parametrize("text", ["", "# nothing\n", "just words\n", "- a\n- b\n", "a: 1\n---\nb: 2\n", "? [a]\n: 1\n", "\x00", "~\n"])
def test_what_is_no_mapping_is_one_clear_fault(text: str) -> None:
    assert faults(text)[0].startswith("line ")


def test_the_folder_must_be_the_tenant() -> None:
    assert faults(LEAST, folder="pizza") == ("line 1: tenant_id: is 'barber', but the folder is 'pizza'; make them equal",)


def test_a_file_too_large_is_refused_unread() -> None:
    assert "larger" in faults(LEAST + "#" * MAX_CONFIG_BYTES)[0]


def test_aliases_that_multiply_are_refused() -> None:
    bomb = "knowledge_base:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert "aliases counted" in faults(LEAST + bomb)[0]
    assert "aliases counted" in faults(LEAST + "knowledge_base: &k [*k]\n")[0]


def test_deep_nesting_is_refused_and_not_a_crash() -> None:
    assert faults(LEAST + "knowledge_base: " + "[" * 100_000)


def test_a_python_tag_is_refused() -> None:
    (fault,) = faults(LEAST + "greeting: !!python/object/apply:os.system [ls]\n")
    assert fault.startswith("line 3:")


def test_numbers_people_write_stay_what_they_wrote() -> None:
    text = (
        LEAST
        + "knowledge_base:\n  opens: 10:30\n  phone: 0501234567\n  abroad: +972501234567\n  day: 2026-11-21\n  sunday: no\n  chairs: 3\n"
    )
    assert parse_config(text, folder="barber").knowledge_base == {
        "opens": "10:30",
        "phone": "0501234567",
        "abroad": "+972501234567",
        "day": "2026-11-21",
        "sunday": "no",
        "chairs": 3,
    }


def test_a_section_left_empty_has_its_defaults() -> None:
    config = parse_config(LEAST + "limits:\n  # concurrent_calls: 5\ngreeting:\n", folder="barber")
    assert config == parse_config(LEAST, folder="barber")


@given(
    st.text(max_size=300) | st.lists(st.sampled_from(["a: ", "- ", "\n", "  ", "[", "}", "&x ", "*x", "'", "!!int ", "<<: "])).map("".join)
)
def test_any_text_is_a_tenant_or_our_error(text: str) -> None:
    for whole in (text, LEAST + text):
        try:
            parse_config(whole, folder="barber")
        except ConfigurationError as error:
            assert error.faults
            assert all(fault.startswith("line ") for fault in error.faults)


# --- knowledge ---------------------------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12)
leaves = words | st.integers(-1000, 1000)
knowledge = st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=20)


def _leaves(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [leaf for part in value.values() for leaf in _leaves(part)]
    if isinstance(value, list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [str(value)]


@given(knowledge)
def test_every_leaf_of_any_nesting_is_readable(value: JsonValue) -> None:
    text = knowledge_text(value)
    assert all(leaf in text for leaf in _leaves(value))
    assert "\n\n" not in text


@given(knowledge)
def test_knowledge_survives_the_file(value: JsonValue) -> None:
    text = LEAST + "knowledge_base: " + json.dumps(value, ensure_ascii=False) + "\n"
    assert parse_config(text, folder="barber").knowledge_base == value


def test_knowledge_reads_like_a_list() -> None:
    value: JsonValue = {
        "prices": [{"service": "תספורת גבר", "price": "60 ש''ח"}],
        "business_hours": {"sunday_thursday": "09:00-20:00"},
        "parking": True,
        "policies": ["cancel two hours before", ["deep", "deeper"]],
        "nothing": [],
    }
    assert knowledge_text(value).splitlines() == [
        "Prices:",
        "  - Service: תספורת גבר, Price: 60 ש''ח",
        "Business hours:",
        "  Sunday thursday: 09:00-20:00",
        "Parking: yes",
        "Policies:",
        "  - cancel two hours before",
        "  - - deep",
        "    - deeper",
        "Nothing: none",
    ]


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_without_knowledge_the_prompt_is_the_system_prompt(empty: JsonValue) -> None:
    assert prompt_text(TenantConfig(tenant_id="barber", system_prompt="You are.\n", knowledge_base=empty)) == "You are.\n"


def test_knowledge_follows_under_its_header() -> None:
    config = TenantConfig(tenant_id="barber", system_prompt="You are.\n", knowledge_base={"hours": "9-17"})
    assert prompt_text(config) == f"You are.\n\n{KNOWLEDGE_HEADER}\nHours: 9-17"


@given(st.lists(words, min_size=1, max_size=40), st.integers(1, 300))
def test_a_cut_falls_between_lines_and_is_told(lines: list[str], limit: int) -> None:
    config = TenantConfig(tenant_id="barber", system_prompt="P", knowledge_base=list(lines), limits=Limits(knowledge_chars=limit))
    whole = knowledge_text(list(lines))
    kept = prompt_text(config).split(f"{KNOWLEDGE_HEADER}\n", 1)[1]
    if len(whole) <= limit:
        assert kept == whole
    else:
        body, note = kept.rsplit("\n", 1)
        assert note.startswith("(There is more")
        assert len(body) <= limit
        assert whole.startswith(body)
