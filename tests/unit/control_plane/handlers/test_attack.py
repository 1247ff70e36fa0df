"""The API's function attacked as API Gateway would hand it over: every route under no credential, junk, and those of another tenant.

A sample of ``tests/attack``, which asks the same application in thousands of ways: here the whole path of Lambda is asked, over AWS.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from control_plane.access.matrix import MATRIX, scopes
from tests.attack.suite import Operation, every_operation
from tests.unit.control_plane.handlers.conftest import Deployment, Door
from tests.unit.control_plane.handlers.test_api import shop_with_key

VICTIM, ATTACKER, MARKER = "corner_shop", "corner_sho", "VICTIM7F3A"
JUNK = ("Bearer nx_live_corner_shop_junk", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.", "Basic YWRtaW46YWRtaW4=", "Bearer ")
TENANTS_OF_MANY = frozenset({"listTenants"})
"""Answered to everybody, with what they may see."""


@pytest.fixture
def victim(deployment: Deployment, door: Door) -> dict[str, str]:
    """A tenant that carries a mark, with a call. The ids in it."""
    key = shop_with_key(deployment, door, "calls:write")
    admin = deployment.person("tenant_admin", tenant_id=VICTIM)
    assert door.ask("PATCH", f"/v1/tenants/{VICTIM}", {"name": MARKER}, authorization=admin)[0] == 200
    assert door.ask("PUT", f"/v1/tenants/{VICTIM}/secrets/CRM_KEY", {"value": f"{MARKER}-secret"}, authorization=admin)[0] in (200, 201)
    deployment.with_stores(deployment.engine_slots)
    status, call, _ = door.ask("POST", f"/v1/tenants/{VICTIM}/calls", {"metadata": {"who": MARKER}}, authorization=key, idempotency_key="1")
    assert status == 201
    return {"call_id": call["id"], "session": call["id"], "name": "CRM_KEY", "version": "1"}


@pytest.fixture
def strangers(deployment: Deployment, door: Door, victim: dict[str, str]) -> dict[str, str]:
    """All that a tenant can have, of a tenant whose id begins the victim's."""
    operator, admin = deployment.person("platform_admin"), deployment.person("tenant_admin", tenant_id=ATTACKER)
    assert door.ask("POST", "/v1/tenants", {"id": ATTACKER, "name": "Corner"}, authorization=operator)[0] == 201
    wish = {"name": "all", "scopes": sorted(scopes())}
    status, made, _ = door.ask("POST", f"/v1/tenants/{ATTACKER}/api-keys", wish, authorization=admin, idempotency_key="all")
    assert status == 201, made
    return {"key": f"Bearer {made['key'] if 'key' in made else made['secret']}", "admin": admin}


def _asked(door: Door, one: Operation, ids: dict[str, str], **headers: str) -> tuple[int, str, str]:
    """Status, code, and all that a reader sees."""
    body: Any = {} if one.has_body else None
    status, told, shown = door.ask(one.method, one.target(VICTIM, ids), body, idempotency_key="x", **headers)
    return status, str(told.get("code", "")) if isinstance(told, dict) else "", json.dumps([told, shown])


def test_nothing_is_given_to_nobody(door: Door, victim: dict[str, str]) -> None:
    for one in every_operation():
        public = MATRIX[one.name].reach == "public"
        for shown in ({}, *({"authorization": junk} for junk in JUNK)):
            status, code, text = _asked(door, one, victim, **shown)
            assert MARKER not in text, (one.name, shown)
            assert public or (status == 401 and code in ("credential_missing", "credential_invalid")), (one.name, shown, status, code)


def test_nothing_of_a_tenant_is_given_to_another(door: Door, victim: dict[str, str], strangers: dict[str, str]) -> None:
    for one in every_operation():
        if MATRIX[one.name].reach == "public":
            continue
        for name, shown in strangers.items():
            status, code, text = _asked(door, one, victim, authorization=shown)
            assert MARKER not in text, (one.name, name)
            if one.of_a_tenant:
                assert (status, code) in ((404, "tenant_not_found"), (403, "forbidden")), (one.name, name, status, code)
            else:
                assert status in (403, 404, 422) or one.name in TENANTS_OF_MANY, (one.name, name, status, code)
