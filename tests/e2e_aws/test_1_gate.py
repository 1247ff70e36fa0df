"""What is deployed answers, and lets in whom it should."""

from __future__ import annotations

from typing import Any

import httpx
import jwt
import pytest

from tests.e2e_aws.conftest import TENANT, sign_in
from tests.e2e_aws.deployment import Deployment
from tests.fakes.issuer import rsa_key


def test_the_service_describes_itself_to_everyone(deployment: Deployment) -> None:
    with deployment.api() as api:
        described = api.get("/v1/.well-known/nexus")
        assert described.status_code == 200, deployment.logs()[-4000:]
        assert api.get("/health/live").json()["status"] == "ok"


def test_a_person_who_signed_in_sees_the_tenant(deployment: Deployment, operator: str, shop: dict[str, Any]) -> None:
    with deployment.api(operator) as api:
        answer = api.get(f"/v1/tenants/{TENANT}")
    assert (answer.status_code, answer.json()["name"]) == (200, "Joe's Barber Shop"), answer.text


def test_the_shops_admin_sees_the_shop_alone(deployment: Deployment, owner: str) -> None:
    with deployment.api(owner) as api:
        assert api.get(f"/v1/tenants/{TENANT}/config").status_code == 200
        assert api.get("/v1/tenants/pizza_shop/config").status_code == 404
        assert api.post("/v1/tenants", json={"id": "another", "name": "Another"}).status_code == 403


def test_a_secret_is_sealed_and_a_webhook_made(deployment: Deployment, owner: str) -> None:
    with deployment.api(owner) as api:
        sealed = api.put(f"/v1/tenants/{TENANT}/secrets/CRM_KEY", json={"value": "s3cret-of-the-shop"})
        assert sealed.status_code in (200, 201), sealed.text
        made = api.post(f"/v1/tenants/{TENANT}/webhooks", json={"url": "https://hooks.example.com/nexus", "events": ["call.ended"]})
        assert made.status_code == 201, made.text
        turned = api.post(f"/v1/tenants/{TENANT}/webhooks/{made.json()['id']}:rotate", json={})
        assert turned.status_code == 200, turned.text
    table = deployment.aws("dynamodb").scan(TableName=deployment.outputs["TableName"])["Items"]
    assert "s3cret-of-the-shop" not in str(table)


def test_a_key_may_what_its_scopes_say(deployment: Deployment, key: str) -> None:
    with deployment.api(key) as api:
        listed = api.get(f"/v1/tenants/{TENANT}/sessions")
        assert listed.status_code == 200, listed.text + deployment.logs()[-3000:]
        assert api.get(f"/v1/tenants/{TENANT}/api-keys").status_code == 403


@pytest.mark.parametrize("path", [f"/v1/tenants/{TENANT}", "/v1/tenants", "/nothing/here"])
def test_without_a_living_credential_nobody_comes_in(deployment: Deployment, operator: str, path: str) -> None:
    told = jwt.decode(operator, options={"verify_signature": False})
    head = jwt.get_unverified_header(operator)
    forged = jwt.encode(told, rsa_key("stranger"), algorithm="RS256", headers={"kid": head["kid"]})
    unsigned = jwt.encode(told, "", algorithm="none")
    assert _status(deployment, path, "") == 401
    for token in ("junk", forged, unsigned, "nx_live_made_up_000000000000000000000000"):
        assert _status(deployment, path, token) == 403, token


def test_another_shops_people_find_nothing(deployment: Deployment, shop: dict[str, Any]) -> None:
    token = sign_in(deployment, "stranger@example.com", "tenant_viewer", tenant_id="pizza_shop")
    with deployment.api(token) as api:
        assert api.get(f"/v1/tenants/{TENANT}").status_code == 404
        assert api.get("/v1/tenants").json()["data"] == []


def _status(deployment: Deployment, path: str, token: str) -> int:
    with deployment.api(token) as api:
        answer: httpx.Response = api.get(path)
    return answer.status_code
