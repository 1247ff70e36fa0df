"""The deployed API keeps to its document, and opens no route to who may not."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from control_plane.access.matrix import MATRIX, scopes
from tests.attack.suite import every_operation
from tests.e2e_aws.conftest import TENANT
from tests.e2e_aws.deployment import Deployment
from tests.unit.control_plane.api.test_conformance import OPERATIONS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_FEW = settings(
    max_examples=2, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
NOT_HERE = {"openConversation", "sendMessage", "endConversation", "initSession", "getHealth"}
"""Text without a call is for development: a function holds no conversation, and says so with 503. /health is the emulator's own."""
STRANGER = "barber_shop_dem"
"""Its id begins the shop's."""


@pytest.fixture(scope="module")
def asking(deployment: Deployment, operator: str) -> requests.Session:
    """Asks as the operator. The host is told in a header."""
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Host": urlsplit(deployment.outputs["ApiUrl"]).netloc, "Authorization": f"Bearer {operator}"})
    return session


@pytest.fixture(scope="module")
def strangers_key(deployment: Deployment, operator: str) -> str:
    """All that a key can have, of another tenant."""
    with deployment.api(operator) as api:
        assert api.post("/v1/tenants", json={"id": STRANGER, "name": "Stranger"}).status_code == 201
        made = api.post(f"/v1/tenants/{STRANGER}/api-keys", json={"name": "all", "scopes": sorted(scopes())})
    assert made.status_code == 201, made.text
    secret: str = made.json()["secret"]
    return secret


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - NOT_HERE))
def test_the_deployed_api_answers_as_its_document_says(deployment: Deployment, asking: requests.Session, name: str) -> None:
    operation = OPERATIONS[name]

    @_FEW
    @given(case=operation.as_strategy(GenerationMode.POSITIVE))
    def hold(case: Case) -> None:
        answer = case.call_and_validate(deployment.emulator_url, session=asking, checks=CHECKS)
        assert answer.status_code != 429, "the test asks more than a person may: it proves nothing"

    hold()


def test_no_route_opens_to_nobody_or_to_another_tenants_key(deployment: Deployment, shop: dict[str, Any], strangers_key: str) -> None:
    ids = {"version": "1", "call_id": "call_01M7YYMQG0DWNCY8GKY90Y3ZSF", "session": "call_01M7YYMQG0DWNCY8GKY90Y3ZSF", "name": "CRM_KEY"}
    asked = 0
    with deployment.api() as nobody, deployment.api("junk") as junk, deployment.api(strangers_key) as stranger:
        for one in every_operation():
            if MATRIX[one.name].reach == "public":
                continue
            target, body = one.target(TENANT, ids), (dict[str, str]() if one.has_body else None)
            assert nobody.request(one.method, target, json=body).status_code == 401, one.name
            assert junk.request(one.method, target, json=body).status_code == 403, one.name
            answer = stranger.request(one.method, target, json=body, headers={"Idempotency-Key": one.name})
            assert "Joe" not in answer.text, one.name
            assert answer.status_code in (400, 403, 404, 422) or one.name in ("listTenants",), (one.name, answer.text)
            asked += 3
    assert asked > 150
