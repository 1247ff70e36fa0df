"""What the first release wrote is read by this one, in every kind of store: heads, versions, keys, webhooks, events, leads, rows.

``tests/golden/stored_items_v1.json`` is never written anew: an item's new form gets a golden of its own beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nexus.domain.call import CallOrder
from nexus.domain.lead import Analysis
from nexus.domain.session import SessionRow
from nexus.domain.tenancy import read_head
from nexus.ports.documents import Put
from tests.fakes.control_plane import House

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[3] / "golden" / "stored_items_v1.json").read_text("utf-8"))
SHOP, CALL = GOLDEN["tenant_id"], GOLDEN["call_id"]
AT = f"/v1/tenants/{SHOP}"


@pytest.fixture
async def upgraded(door: House) -> House:
    """This release over the stores of the first one."""
    for one in GOLDEN["documents"]:
        await door.stores.documents.write(SHOP, Put(one["key"], one["body"]))
    await door.stores.index.put(SessionRow.model_validate(GOLDEN["session_row"]))
    await door.stores.leads.put(Analysis.model_validate(GOLDEN["analysis"]))
    return door


async def got(door: House, path: str) -> Any:
    answer = await door.client.get(f"{AT}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_everything_is_read(upgraded: House) -> None:
    tenant = await got(upgraded, "")
    assert (tenant["name"], tenant["config_version"], tenant["greeting"]) == ("First Shop", 2, "Hi!")
    config = await got(upgraded, "/config")
    assert (config["config"]["system_prompt"], config["canary"], config["note"]) == ("prompt 2", None, "note 2")
    assert [one["version"] for one in (await got(upgraded, "/config/versions"))["data"]] == [2, 1]
    assert (await got(upgraded, "/config/draft"))["config"] == {"system_prompt": "next"}
    assert [one["name"] for one in (await got(upgraded, "/secrets"))["data"]] == ["CRM_TOKEN"]
    (hook,) = (await got(upgraded, "/webhooks"))["data"]
    assert {one["type"] for one in (await got(upgraded, f"/webhooks/{hook['id']}/deliveries"))["data"]} >= {"call.ended", "call.analyzed"}
    assert [one["lead_status"] for one in (await got(upgraded, "/leads"))["data"]] == ["contacted"]
    (row,) = (await got(upgraded, "/sessions"))["data"]
    assert (row["id"], row["config_version"]) == (CALL, None), "the first release kept no version in its rows"
    assert (await got(upgraded, "/sessions?config_version=2"))["data"] == []
    assert (await got(upgraded, "/knowledge"))["data"] == []
    assert "createWebhook" in {one["operation"] for one in (await got(upgraded, "/audit-events?limit=100"))["data"]}


def test_an_order_that_asks_for_nothing_new_is_written_without_new_fields() -> None:
    """Media tasks of the former release carry calls until a deployment has replaced them, and refuse a field that they do not know."""
    order = CallOrder(tenant_id=SHOP, config_hash="sha256:1")
    assert "recording" not in order.model_dump_json()
    off = order.model_copy(update={"recording": "off"})
    assert CallOrder.model_validate_json(off.model_dump_json()) == off


async def test_its_key_opens_and_its_tenant_goes_on(upgraded: House) -> None:
    shown = {"Authorization": f"Bearer {GOLDEN['api_key']}"}
    assert (await upgraded.client.get(f"{AT}/leads", headers=shown)).status_code == 200
    assert (await upgraded.client.post(f"{AT}/config:canary", json={"version": 1, "percent": 10})).status_code == 200
    assert (await upgraded.client.post(f"{AT}/config:promote")).json()["version"] == 1
    assert (await upgraded.client.post(f"{AT}/config:publish")).json()["version"] == 3
    assert (await upgraded.client.post(f"{AT}/knowledge", json={"name": "a", "text": "b c d"})).json()["status"] == "ready"


def test_a_head_without_anything_new_is_written_as_the_first_release_wrote_it() -> None:
    """So that the process of the release before, which still runs while the new one comes, reads it."""
    body = next(one["body"] for one in GOLDEN["documents"] if one["key"] == "tenant")
    stored = {name: value for name, value in body.items() if name not in ("canary", "departed", "knowledge")}
    assert read_head(stored).stored == stored
