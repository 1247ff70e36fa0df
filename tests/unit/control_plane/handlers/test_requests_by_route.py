"""How many requests to DynamoDB each route makes in a warm function: the table in docs/dynamodb.md is what is measured."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.handlers

from nexus.adapters.aws import AwsStores
from nexus.domain.session import RecordingTrace
from tests.fakes.stored import private, record
from tests.unit.control_plane.handlers.conftest import Deployment, Door
from tests.unit.control_plane.handlers.test_api import shop_with_key

DOCUMENT = Path(__file__).parents[4] / "docs" / "dynamodb.md"
SHOP = "/v1/tenants/corner_shop"
READS = (
    *("", "/config", "/config/versions", "/sessions", "/leads", "/failed-items", "/webhooks", "/secrets", "/knowledge", "/usage"),
    "/calls/{call}",
    *("/sessions/{call}", "/sessions/{call}/transcript", "/sessions/{call}/recording"),
)
WRITES: tuple[tuple[str, str, Any], ...] = (
    ("POST", "/calls", {}),
    ("POST", "/calls/{call}:end", None),
    ("PUT", "/secrets/CRM_KEY", {"value": "s3cret-of-the-crm"}),
    ("PUT", "/config/draft", {"system_prompt": "You sell milk."}),
    ("POST", "/webhooks", {"url": "https://crm.example.com/hooks"}),
)
SCOPES = (
    *("tenants:read", "config:read", "config:write", "sessions:read", "leads:read", "webhooks:read", "webhooks:write", "usage:read"),
    *("calls:read", "calls:write", "secrets:read", "secrets:write", "audit:read", "knowledge:read"),
)


@contextmanager
def counted_requests() -> Iterator[Counter[str]]:
    """Counts what clients made from now on are about to send to DynamoDB."""
    found: Counter[str] = Counter()
    hook = ("before-call.dynamodb", lambda model, **_: found.update([model.name]))
    botocore.handlers.BUILTIN_HANDLERS.append(hook)
    try:
        yield found
    finally:
        botocore.handlers.BUILTIN_HANDLERS.remove(hook)


async def recorded_call(stores: AwsStores, call_id: str, sound: Path) -> None:
    """The ordered call is over, and was recorded."""
    trace = RecordingTrace(status="stored", media_type="audio/ogg", channels=2, sample_rate_hz=16_000, duration_ms=60_000.0, bytes=4)
    kept = record(tenant_id="corner_shop").model_copy(update={"id": call_id, "session_id": call_id, "recording": trace})
    await stores.archive.put(kept, private(tenant_id="corner_shop").model_copy(update={"call_id": call_id}))
    sound.write_bytes(b"OggS")
    await stores.recordings.put("corner_shop", call_id, sound, delete_after=datetime.now(UTC) + timedelta(days=1))


def requests_by_route(deployment: Deployment, sound: Path) -> dict[str, tuple[int, str]]:
    """Each route asked once, with an API key that the function knows already."""
    with counted_requests() as found:
        door = Door(deployment.load("api"))
    key = shop_with_key(deployment, door, *SCOPES)
    deployment.with_stores(deployment.engine_slots)
    call = door.ask("POST", f"{SHOP}/calls", {}, authorization=key, idempotency_key="before")[1]["id"]
    deployment.with_stores(lambda stores: recorded_call(stores, call, sound))
    assert door.ask("GET", SHOP, authorization=key)[0] == 200  # the call has noted that the key is used today: it is looked up once more
    rows: dict[str, tuple[int, str]] = {}
    asked = [("GET", "/health/live", None, ""), *(("GET", SHOP + path, None, key) for path in READS)]
    for method, path, body, shown in [*asked, *((method, SHOP + path, body, key) for method, path, body in WRITES)]:
        found.clear()
        headers = {"authorization": shown} if shown else {}
        if path == f"{SHOP}/calls":
            headers["idempotency_key"] = "measured"
        status, told, _ = door.ask(method, path.replace("{call}", call), body, **headers)
        assert status < 300, (method, path, told)
        name = f"{method} {path.replace(SHOP, '/v1/tenants/{t}')}"
        rows[name] = (found.total(), ", ".join(f"{request} {times}" for request, times in sorted(found.items())) or "-")
    return rows


def documented() -> dict[str, tuple[int, str]]:
    """The table."""
    rows = re.findall(r"^\| `([A-Z]+ /[^`]+)` \| (\d+) \| ([^|]+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (int(total), which) for name, total, which in rows}


def test_routes_make_the_requests_that_the_document_says(deployment: Deployment, tmp_path: Path) -> None:
    assert requests_by_route(deployment, tmp_path / "sound") == documented()


def test_reading_takes_one_request() -> None:
    """Two where the tenant's head is asked whether there is such a tenant, and something else what it has."""
    more = {name: total for name, (total, _) in documented().items() if name.startswith("GET") and total > 1}
    assert more == {f"GET /v1/tenants/{{t}}/{path}": 2 for path in ("config/versions", "secrets", "knowledge")}
