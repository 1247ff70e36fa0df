"""A tenant's own lead fields."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue, ValidationError

from nexus.domain.lead_fields import fits
from nexus.domain.tenant import TenantConfig

GOOD: dict[str, JsonValue] = {
    "party_size": {"type": "integer", "minimum": 1, "description": "how many people"},
    "dishes": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    "delivery": {"type": "string", "enum": ["pickup", "delivery"]},
}


def config(fields: Any) -> TenantConfig:
    return TenantConfig(tenant_id="pizza", system_prompt="You sell pizza.", lead_fields=fields)


def test_fields_are_part_of_the_configuration_and_of_its_hash() -> None:
    assert config(GOOD).lead_fields == GOOD
    assert config(GOOD).config_hash != config({}).config_hash
    assert fits(GOOD["party_size"], 4) and not fits(GOOD["party_size"], 0) and not fits(GOOD["party_size"], "4")
    assert fits(GOOD["dishes"], ["salad"]) and not fits(GOOD["delivery"], "by drone")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": "string"}, "is a JSON Schema as a mapping"),
        ({"a": {"type": "object"}}, "type is one of"),
        ({"a": {}}, "type is one of"),
        ({"a": {"type": "string", "pattern": "(a+)+$"}}, "pattern cannot be used here"),
        ({"a": {"type": "string", "$ref": "http://169.254.169.254/"}}, "cannot be used here"),
        ({"a": {"type": "array"}}, "items: is a JSON Schema"),
        ({"a": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}}}, "items: type is one of"),
        ({"a": {"type": "integer", "minimum": "one"}}, "is no JSON Schema"),
        ({f"a{number}": {"type": "string"} for number in range(21)}, "at most 20"),
        ({"Name": {"type": "string"}}, "pattern"),
    ],
)
def test_each_fault_is_named(fields: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words.replace("(", r"\(")):
        config(fields)
