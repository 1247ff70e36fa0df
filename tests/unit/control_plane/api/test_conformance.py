"""The API keeps to its own document: Schemathesis asks of every operation what the document allows, and what it forbids.

What is asked is the same in every run. Half of the requests are about things that there are, so that answers are checked and not only
refusals.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import not_a_server_error
from schemathesis.python.asgi import get_client
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from control_plane.api.openapi import render
from nexus.errors import HTTP_STATUS
from tests.attack.ground import OWN, ground

BASE_URL = "http://localhost:8000"
EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
FORBIDS_NOTHING = {"getLiveness", "getReadiness", "getCheck", "getHealth", "describeService"}
"""Operations without parameters and body, or of which every name is one."""
_BOUNDED = settings(
    max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def document() -> dict[str, Any]:
    """As it is committed, without credentials: the attack suite asks with and without them."""
    told: dict[str, Any] = json.loads(render())
    for path in told["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return told


_FOUND: Any = schemathesis.openapi.from_dict(document()).get_all_operations()
OPERATIONS = {found.ok().definition.raw["operationId"]: found.ok() for found in _FOUND}


def conforms(name: str, mode: GenerationMode) -> None:
    """Some requests of one operation, in a house of its own."""
    place, operation = asyncio.run(ground()), OPERATIONS[name]
    app: Any = place.house.app
    ids = {**place.ids[OWN], "tenant_id": OWN}
    if "/sessions/" in operation.path:
        ids["call_id"] = ids["session"]
    known = {one: value for one, value in ids.items() if f"{{{one}}}" in operation.path}
    strangers, ours = operation.as_strategy(mode), operation.as_strategy(mode, path_parameters=known)

    @_BOUNDED
    @given(case=st.one_of(strangers, ours) if known else strangers)
    def hold(case: Case) -> None:
        with get_client(app) as client:
            answer = case.call_and_validate(BASE_URL, session=client, checks=CHECKS)
        check_problem(answer)

    hold()


def check_problem(answer: Response) -> None:
    """Every refusal has the one shape, and a code that is listed with this status."""
    media_type = answer.headers.get("content-type", [""])[0]
    assert answer.status_code < 400 or media_type == "application/problem+json"
    if answer.status_code >= 400:
        body = json.loads(answer.content)
        assert body["status"] == answer.status_code == HTTP_STATUS[body["code"]]
        assert body["type"] == f"urn:nexus:error:{body['code']}" and body["request_id"] == answer.headers["x-request-id"][0]


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_the_document_allows(name: str) -> None:
    conforms(name, GenerationMode.POSITIVE)


@pytest.mark.parametrize("name", sorted(set(OPERATIONS) - FORBIDS_NOTHING))
def test_what_the_document_forbids(name: str) -> None:
    conforms(name, GenerationMode.NEGATIVE)
