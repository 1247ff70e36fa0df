"""Whatever is read of a tenant that there is not is 404, lists too; an empty list is a tenant's that there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from control_plane.api.app import bare_app
from tests.fakes.control_plane import House

DOCUMENT = bare_app().openapi()
_IDS = {"call_id": "call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2", "webhook_id": "whk_01KAQ2Z3M4N5P6Q7R8S9T0V1W2", "name": "NAME", "version": "1"}
_IDS |= {name: f"{prefix}_01KAQ2Z3M4N5P6Q7R8S9T0V1W2" for name, prefix in (("key_id", "key"), ("lead_id", "lead"), ("job_id", "job"))}


def reads() -> Iterator[tuple[str, str]]:
    for path, operations in DOCUMENT["paths"].items():
        operation: dict[str, Any] = operations.get("get", {})
        if path.startswith("/v1/tenants/{tenant_id}") and operation:
            yield operation["operationId"], path


@pytest.mark.parametrize(("operation", "path"), sorted(reads()))
async def test_a_tenant_that_there_is_not(door: House, operation: str, path: str) -> None:
    names = {one["name"] for one in DOCUMENT["paths"][path]["get"].get("parameters", ()) if one["in"] == "path"}
    ids = {name: _IDS.get(name, "x_01KAQ2Z3M4N5P6Q7R8S9T0V1W2") for name in names} | {"tenant_id": "nobody_here"}
    answer = await door.client.get(path.format(**ids))
    assert answer.status_code == 404, answer.text
    code = answer.json()["code"]
    assert code == "tenant_not_found" or (len(names) > 1 and code.endswith("_not_found")), answer.text


@pytest.mark.parametrize("path", ["sessions", "leads", "webhooks", "failed-items", "audit-events", "api-keys", "knowledge", "secrets"])
async def test_a_tenant_without_anything(door: House, path: str) -> None:
    answer = await door.client.get(f"/v1/tenants/pizza_shop/{path}")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_a_webhook_is_changed_from_what_was_read(door: House) -> None:
    at = "/v1/tenants/barber_shop/webhooks"
    made = (await door.client.post(at, json={"url": "https://crm.example.com/hook"})).json()
    tag = (await door.client.get(f"{at}/{made['id']}")).headers["etag"]
    changed = await door.client.patch(f"{at}/{made['id']}", json={"description": "crm"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    late = await door.client.patch(f"{at}/{made['id']}", json={"description": "late"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    assert (await door.client.patch(f"{at}/{made['id']}", json={"status": "paused"})).json()["description"] == "crm"
