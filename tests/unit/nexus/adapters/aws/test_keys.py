"""Keys: no tenant's key reaches another tenant, and a call's keys follow from its id."""

from __future__ import annotations

import fnmatch
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nexus.adapters.aws import keys
from nexus.adapters.aws.keys import TenantContext
from nexus.domain.ids import RESERVED_TENANT_IDS, ulid
from nexus.domain.tenancy import PLATFORM
from nexus.errors import RequestRejected, StoreError
from tests.fakes.stored import NOON, call_id

CALL = call_id(1)
tenant_ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{1,62}", fullmatch=True).filter(lambda one: one not in RESERVED_TENANT_IDS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)


def of_tenant(of: TenantContext, text: str) -> list[str]:
    """Every partition that belongs to a tenant, those of the index too."""
    items = (
        keys.document(of.tenant_id, text),
        keys.tool_value(of, text),
        keys.effect(of, CALL, text),
        keys.session(of, CALL),
        keys.lead(of, CALL),
        keys.call(of, CALL),
        keys.call_request(of, text),
        keys.seat(of, 7),
    )
    partitions = (keys.sessions(of), keys.leads(of), keys.tool_values(of), keys.seats(of))
    return [*(key.pk for key in items), *partitions, keys.sessions_of_status(of, text), keys.leads_of_outcome(of, text)]


def may_read(tenant_id: str, partition: str) -> bool:
    """What ``dynamodb:LeadingKeys`` with our two patterns lets a tenant's role read (StringLike: * is anything)."""
    return any(fnmatch.fnmatchcase(partition, pattern) for pattern in (f"TENANT#{tenant_id}", f"TENANT#{tenant_id}#*"))


@given(tenant_ids, texts)
def test_a_tenant_reads_all_of_its_own(tenant_id: str, text: str) -> None:
    assert all(may_read(tenant_id, partition) for partition in of_tenant(TenantContext(tenant_id), text))


@given(tenant_ids, tenant_ids, texts)
def test_and_nothing_of_another(one: str, other: str, text: str) -> None:
    assume(one != other)
    assert not any(may_read(one, partition) for partition in of_tenant(TenantContext(other), text))


def test_a_name_that_begins_another_opens_nothing() -> None:
    assert not any(may_read("acme", partition) for partition in of_tenant(TenantContext("acme2"), "x"))
    assert not keys.session_object(TenantContext("acme2"), CALL).startswith(keys.session_objects(TenantContext("acme")))


@pytest.mark.parametrize("tenant_id", ["", "a", "acme#x", "acme*", "../acme", "ACME", "acme/x", "all", "acme\n"])
def test_only_slugs_become_keys(tenant_id: str) -> None:
    with pytest.raises(RequestRejected):
        TenantContext(tenant_id)


@given(tenant_ids)
def test_no_tenant_reads_the_operators(tenant_id: str) -> None:
    own = [
        keys.journal(CALL),
        keys.JOURNALS,
        keys.documents(PLATFORM),
        keys.fleet("main"),
        keys.slot("main", "mp", 1).pk,
    ]
    assert not any(may_read(tenant_id, partition) for partition in own)


@given(texts, texts)
def test_two_keys_of_tools_are_two_items_and_a_prefix_stays_one(one: str, other: str) -> None:
    of = TenantContext("barber")
    assert (keys.tool_value(of, one) == keys.tool_value(of, other)) == (one == other)
    assert keys.tool_value(of, one + other).sk.startswith(keys.tool_value(of, one).sk)


def test_a_key_of_a_tool_fits_into_a_sort_key() -> None:
    of = TenantContext("barber")
    assert len(keys.tool_value(of, "x" * 1023).sk.encode()) == 1024
    with pytest.raises(StoreError):
        keys.tool_value(of, "\U0001f600" * 256)


@pytest.mark.parametrize("process_id", ["", "mp#1"])
def test_a_process_id_cannot_reach_into_anothers_slots(process_id: str) -> None:
    with pytest.raises(RequestRejected):
        keys.slot("main", process_id, 1)
    assert not keys.slot("main", "mp_10", 1).sk.startswith(keys.slots("mp_1"))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_the_day_of_a_call_is_in_its_id(at: datetime) -> None:
    assert keys.ordered_on("call_" + ulid(int(at.timestamp() * 1000), b"\xff" * 10)) == at.date()


def test_objects_lie_by_tenant_and_day() -> None:
    of = TenantContext("barber")
    assert keys.ordered_on(CALL) == date(2025, 11, 13)
    assert keys.session_object(of, CALL) == f"sessions/tenant_id=barber/dt=2025-11-13/{CALL}.json.gz"
    assert keys.private_object(of, CALL) == f"private/tenant_id=barber/dt=2025-11-13/{CALL}.json.gz"
    assert keys.media_object(of, CALL, "caller.opus") == f"media/tenant_id=barber/dt=2025-11-13/{CALL}/caller.opus"
    assert keys.call_of_object(keys.session_object(of, CALL)) == CALL


def test_a_call_of_a_year_that_no_calendar_has_is_refused() -> None:
    with pytest.raises(RequestRejected):
        keys.session_object(TenantContext("barber"), "call_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "a b", "a\x00"])
def test_a_file_of_a_call_has_a_plain_name(name: str) -> None:
    with pytest.raises(RequestRejected):
        keys.media_object(TenantContext("barber"), CALL, name)


moments = st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]))


@given(moments, moments)
def test_a_mark_is_due_from_its_moment_on(due: datetime, now: datetime) -> None:
    mark = keys.expiry_mark(TenantContext("barber"), CALL, due)
    assert (mark < keys.expired_before(now)) == (due <= now)


@given(tenant_ids)
def test_a_mark_says_whose_it_is(tenant_id: str) -> None:
    of = TenantContext(tenant_id)
    assert keys.read_expiry_mark(keys.expiry_mark(of, CALL, NOON)) == (of, CALL)


@pytest.mark.parametrize("name", ["expiry/", "expiry/x", "expiry/2026/barber/x", "expiry/a/b/c/d", f"expiry/2026/../{CALL}"])
def test_a_strangers_object_is_no_mark(name: str) -> None:
    with pytest.raises(RequestRejected):
        keys.read_expiry_mark(name)
