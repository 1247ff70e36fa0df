"""The one decision, over the whole matrix."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.access.decision import authorise
from control_plane.access.matrix import MATRIX, scopes
from control_plane.access.principal import LOCAL, PUBLIC, Kind, Principal, Role, asked_by, asking
from nexus.errors import NexusError, NotAuthorised

roles = st.frozensets(st.sampled_from(list(Role)))
some_scopes = st.frozensets(st.sampled_from(sorted(scopes())))
ids = st.sampled_from(["acme", "acme2", "acm", "pizza", ""])
principals = st.builds(Principal, st.sampled_from(list(Kind)), st.just("x"), ids, roles, some_scopes, st.booleans())
operations = st.sampled_from(sorted(MATRIX))


def verdict(principal: Principal, operation: str, tenant_id: str = "") -> str:
    try:
        authorise(principal, operation, tenant_id)
    except NexusError as error:
        return error.code
    return "in"


@given(principal=principals, operation=operations, tenant_id=ids)
def test_nobody_reaches_another_tenant(principal: Principal, operation: str, tenant_id: str) -> None:
    platform = principal.kind in (Kind.PERSON, Kind.LOCAL) and Role.PLATFORM_ADMIN in principal.roles
    if verdict(principal, operation, tenant_id) == "in" and MATRIX[operation].reach != "public" and tenant_id:
        assert platform or principal.tenant_id == tenant_id


@given(principal=principals, operation=operations, tenant_id=ids)
def test_roles_are_peoples_and_scopes_are_keys(principal: Principal, operation: str, tenant_id: str) -> None:
    if verdict(principal, operation, tenant_id) != "in" or MATRIX[operation].reach == "public":
        return
    rule = MATRIX[operation]
    match principal.kind:
        case Kind.PERSON | Kind.LOCAL:
            assert principal.roles & rule.roles
        case Kind.API_KEY:
            assert rule.keys and rule.permission in principal.scopes and (rule.test_mode or not principal.test)
        case Kind.PUBLISHABLE_KEY:
            assert operation == "createCall"
        case Kind.PUBLIC:
            pytest.fail("without a credential")


@given(principal=principals, operation=operations, other=principals)
def test_a_foreign_tenant_is_answered_alike_whoever_asks(principal: Principal, operation: str, other: Principal) -> None:
    """Neither role nor scope can be found out, nor whether the tenant is there."""
    if MATRIX[operation].reach == "tenant":
        for one in (principal, other):
            if one.kind is not Kind.PUBLIC and not one.reaches("stranger"):
                assert verdict(one, operation, "stranger") == "tenant_not_found"


def test_an_operation_without_a_row_is_nobodys() -> None:
    for principal, operation in product((LOCAL, PUBLIC), ("dropTables", "")):
        assert verdict(principal, operation, "acme") == "forbidden"


def test_whoever_sits_at_the_machine_may_do_everything() -> None:
    for operation, rule in MATRIX.items():
        assert verdict(LOCAL, operation, "acme" if rule.reach == "tenant" else "") == "in"


def test_a_key_of_test_mode_is_told_that_it_is_one() -> None:
    """It holds the permission: to ask an admin for it would lead nowhere."""
    key = Principal(Kind.API_KEY, "k", "acme", scopes=frozenset(("sessions:read",)), test=True)
    with pytest.raises(NotAuthorised, match="test mode") as refused:
        authorise(key, "listSessions", "acme")
    assert refused.value.code == "forbidden"
    with pytest.raises(NotAuthorised, match="does not hold leads:read"):
        authorise(key, "listLeads", "acme")


def test_no_key_can_make_or_see_keys() -> None:
    assert not any(scope.startswith("api_keys") for scope in scopes())


def test_a_principal_is_bound_for_the_block_only() -> None:
    assert asking() is None
    with asked_by(LOCAL):
        with asked_by(PUBLIC):
            assert asking() is PUBLIC
        assert asking() is LOCAL
    assert asking() is None


def test_the_empty_tenant_is_within_nobodys_reach() -> None:
    assert not Principal(Kind.API_KEY, "k", "").reaches("") and not LOCAL.reaches("")
