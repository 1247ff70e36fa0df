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
