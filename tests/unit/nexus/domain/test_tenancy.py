"""A tenant's standing: which states follow which, what a publication makes, what a draft inherits."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, ValidationError

from nexus.domain import tenancy
from nexus.domain.ids import check_tenant_id
from nexus.domain.tenancy import TenantHead, TenantProfile, TenantState
from nexus.domain.tenant import TenantConfig
from nexus.errors import Conflict, RequestRejected, StoreError
from tests.fakes.stored import NOON

LATER = NOON + timedelta(hours=1)
HEAD = TenantHead(tenant_id="shop", created_at=NOON, updated_at=NOON)
CONFIG = TenantConfig(tenant_id="shop", system_prompt="Be kind.")
WAYS = {("active", "suspended"), ("suspended", "active"), ("active", "deleting"), ("suspended", "deleting"), ("deleting", "deleted")}
STATES: tuple[TenantState, ...] = get_args(TenantState)


@pytest.mark.parametrize(("start", "to"), list(product(STATES, STATES)))
def test_only_these_ways_lead_from_state_to_state(start: TenantState, to: TenantState) -> None:
    head = HEAD.model_copy(update={"state": start})
    if start == to:
        assert tenancy.moved(head, to, LATER) is head
    elif (start, to) in WAYS:
        there = tenancy.moved(head, to, LATER)
        assert (there.state, there.updated_at, there.created_at) == (to, LATER, NOON)
    else:
        with pytest.raises(Conflict) as refused:
            tenancy.moved(head, to, LATER)
        assert refused.value.code == "tenant_state"


def test_each_publication_is_the_next_version_and_whole() -> None:
    first = tenancy.published(HEAD, CONFIG, NOON, note="first")
    second = tenancy.published(first, CONFIG.model_copy(update={"greeting": "Hi"}), LATER)
    third = tenancy.published(second, CONFIG, LATER, rolled_back_to=1)
    for number, head in enumerate((first, second, third), start=1):
        assert head.active is not None
        assert (head.active.version, head.last_version) == (number, number)
    assert first.active is not None and third.active is not None
    assert third.active.config == first.active.config == CONFIG
    assert (first.active.note, third.active.rolled_back_to, third.active.config_hash) == ("first", 1, CONFIG.config_hash)


@pytest.mark.parametrize("state", ["deleting", "deleted"])
def test_nothing_is_published_for_a_tenant_on_its_way_out(state: TenantState) -> None:
    with pytest.raises(Conflict):
        tenancy.published(HEAD.model_copy(update={"state": state}), CONFIG, NOON)


def test_heads_and_publications_come_back_as_they_were_and_strange_ones_are_our_error() -> None:
    head = tenancy.published(HEAD, CONFIG, NOON)
    assert tenancy.read_head(head.model_dump(mode="json")) == head
    assert head.active is not None
    assert tenancy.read_publication(head.active.model_dump(mode="json")) == head.active
    for read in (tenancy.read_head, tenancy.read_publication):
        with pytest.raises(StoreError):
            read({"strange": True})
    with pytest.raises(StoreError):
        _ = head.active.model_copy(update={"body": {"from": "something else"}}).config


def test_while_releases_change_over_the_older_reads_what_the_newer_has_written() -> None:
    """A task of the former release goes on with calls of a tenant whose configuration was published by the new one."""
    config = TenantConfig(tenant_id="shop", system_prompt="You are Ada.")
    body = config.model_dump(mode="json")
    newer = {**body, "wished_for": 1, "recording": {**body["recording"], "wished_for": [1]}}
    published = tenancy.Publication(version=3, config_hash="x", published_at=NOON, body=newer)
    assert tenancy.read_publication({**published.model_dump(mode="json"), "wished_for": {}}).config == config


@given(st.integers(1, 99_999_998))
def test_versions_sort_by_their_keys(version: int) -> None:
    assert tenancy.VERSION_PREFIX < tenancy.version_key(version) < tenancy.version_key(version + 1)


def test_the_operators_documents_are_nobodys() -> None:
    with pytest.raises(RequestRejected):
        check_tenant_id(tenancy.PLATFORM)
    with pytest.raises(RequestRejected):
        tenancy.registry_key("../shop")


def test_a_draft_inherits_only_what_it_leaves_out() -> None:
    profile = TenantProfile(name="Shop", timezone="Europe/Berlin", language="de-DE")
    assert tenancy.inherited({"system_prompt": "x"}, "shop", profile) == {
        "tenant_id": "shop",
        "name": "Shop",
        "timezone": "Europe/Berlin",
        "system_prompt": "x",
        "voice_settings": {"language": "de-DE"},
    }
    own: dict[str, JsonValue] = {"tenant_id": "other", "name": "", "timezone": "UTC", "voice_settings": {"language": "en-GB", "speed": 2}}
    assert tenancy.inherited(own, "shop", profile) == own
    assert tenancy.inherited({"name": None, "voice_settings": None}, "shop", profile)["voice_settings"] == {"language": "de-DE"}
    assert tenancy.inherited({"voice_settings": "loud"}, "shop", profile)["voice_settings"] == "loud", "a fault stays one"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Mars/Olympus"),
        ("timezone", "../etc/passwd"),
        ("language", "deutsch, bitte"),
        ("name", "x" * 201),
        ("allowed_origins", ["https://a.example/"]),
        ("allowed_origins", ["https://user@a.example"]),
        ("allowed_origins", ["https://A.example"]),
        ("allowed_origins", ["null"]),
        ("allowed_origins", ["*"]),
        ("allowed_origins", ["https://a.example"] * 51),
    ],
)
def test_no_profile(field: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        TenantProfile.model_validate({field: value})


@pytest.mark.parametrize("origin", ["https://a.example", "http://localhost:5173", "https://xn--mnchen-3ya.de:8443", "http://[::1]:80"])
def test_an_origin(origin: str) -> None:
    assert TenantProfile.model_validate({"allowed_origins": [origin]}).allowed_origins == (origin,)
