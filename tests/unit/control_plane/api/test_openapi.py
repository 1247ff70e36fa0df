"""The committed OpenAPI document is the application's."""

from __future__ import annotations

import json
from pathlib import Path

from control_plane.api.openapi import render

COMMITTED = Path(__file__).parents[4] / "docs" / "openapi.json"


def test_the_committed_document_is_current() -> None:
    assert COMMITTED.read_text() == render(), "run: .venv/bin/python -m control_plane.api.openapi > docs/openapi.json"


def test_every_operation_has_a_stable_id_and_one_error_shape() -> None:
    document = json.loads(render())
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids)) and all(name.isalnum() for name in ids)
    for operation in operations:
        for status, response in operation["responses"].items():
            if status[0] in "45" and (operation["operationId"], status) not in {("getReadiness", "503"), ("getCheck", "503")}:
                assert list(response["content"]) == ["application/problem+json"], operation["operationId"]
    assert {"Problem", "Fault"} <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in json.dumps(document)


def test_every_operation_tells_its_conventions() -> None:
    for path, operations in json.loads(render())["paths"].items():
        for method, operation in operations.items():
            headers = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "header"}
            name, answers = operation["operationId"], operation["responses"]
            open_to_all = "security" not in operation
            assert ("429" in answers) is not open_to_all or name == "createCall", name
            assert ("304" in answers) is ("If-None-Match" in headers) is (not open_to_all and method == "get" and name.startswith("get")), (
                name
            )
            takes_key = method == "post" and name != "validateConfig" and "/init-session" not in path
            assert ("Idempotency-Key" in headers) is (takes_key or name == "initSession"), name
            if "Idempotency-Key" in headers:
                assert "409" in answers and "422" in answers
