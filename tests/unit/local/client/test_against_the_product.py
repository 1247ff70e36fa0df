"""The client against the served product: each resource, and the shapes that the generated types promise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from local.client import ControlPlane, schemas
from local.serve import serving
from nexus.adapters.embedded import embedded_stores
from nexus.errors import NotAuthorised, NotFound
from scripts.client_schemas import DOCUMENT, TARGET, formatted, render
from tests.fakes.stored import private, record
from tests.unit.local.test_app import BARBER, settings_of


def test_the_committed_shapes_are_those_of_the_document() -> None:
    assert TARGET.read_text("utf-8") == formatted(render(json.loads(DOCUMENT.read_text("utf-8")))), "run: make openapi"


def unlike(value: object, kind: object, at: str = "") -> Iterator[str]:
    """Where a value is not of its type: unknown and missing names of typed dicts, at any depth."""
    if is_typeddict(kind):
        assert isinstance(value, Mapping), at
        hints = get_type_hints(kind, include_extras=True)
        yield from (f"{at}.{name} is unknown" for name in value.keys() - hints.keys())
        for name, inner in hints.items():
            if name in value:
                yield from unlike(value[name], get_args(inner)[0] if get_origin(inner) is NotRequired else inner, f"{at}.{name}")
            elif get_origin(inner) is not NotRequired:
                yield f"{at}.{name} is missing"
    elif get_origin(kind) is list and isinstance(value, list):
        for each in value:
            yield from unlike(each, get_args(kind)[0], f"{at}[]")


def test_a_wrong_shape_would_be_seen() -> None:
    assert [*unlike({"status": "ok", "more": 1}, schemas.Alive)] == [".more is unknown"]
    assert next(iter(unlike({"data": [{}], "has_more": False}, schemas.AuditEventPage))).startswith(".data[].")


def walk(client: ControlPlane) -> list[str]:
    """Everything once; what was not of its type."""
    found: list[tuple[Any, Any]] = []
    found.append((client.tenants.page(), schemas.TenantPage))
    found.append((client.tenants.get(BARBER), schemas.TenantDetail))
    call = client.calls.create(BARBER, phone="+493055501234", metadata={"source": "test"})
    found += [(call, schemas.CreatedCall), (client.calls.get(BARBER, call["id"]), schemas.CallDetail)]
    found.append((client.calls.end(BARBER, call["id"]), schemas.CallDetail))
    (listed,) = client.sessions.each(BARBER)
    found += [(client.sessions.page(BARBER, limit=5), schemas.SessionPage), (listed, schemas.SessionItem)]
    found.append((client.sessions.get(BARBER, listed["id"]), schemas.SessionDetail))
    found.append((client.leads.page(BARBER), schemas.LeadPage))
    talk = client.conversations.open(BARBER, "+493055501234")
    found += [(talk, schemas.ConversationDetail), (client.conversations.say(BARBER, talk["id"], "Hello"), schemas.MessageAnswer)]
    key = client.api_keys.create(BARBER, {"name": "booking page", "scopes": ["sessions:read"]})
    found += [(key, schemas.IssuedApiKey), (client.api_keys.rotate(BARBER, key["id"], overlap_s=60), schemas.IssuedApiKey)]
    found += [(one, schemas.ApiKeyDetail) for one in client.api_keys.each(BARBER)]
    found.append((client.api_keys.revoke(BARBER, key["id"]), schemas.ApiKeyDetail))
    found.append((client.reports.usage(BARBER, "2026-11-01", "2026-11-21"), schemas.UsageDetail))
    found += [(event, schemas.AuditEventDetail) for event in client.reports.audit_events(BARBER)]
    assert [*client.reports.audit_events("")] == []
    return [fault for value, kind in found for fault in unlike(value, kind, kind.__name__)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


async def test_every_resource_answers_in_its_shape(root: Path) -> None:
    settings = settings_of(root)
    await embedded_stores(settings).archive.put(record(7, tenant_id=BARBER, text="Hello"), private(7, tenant_id=BARBER, days=10_000))
    async with serving(settings) as base:

        def play() -> list[str]:
            with ControlPlane(base) as client:
                for _ in range(200):
                    if client.leads.page(BARBER)["data"]:
                        break
                return walk(client)

        assert await asyncio.to_thread(play) == []


async def test_a_key_opens_what_it_may_and_nothing_else(root: Path) -> None:
    async with serving(settings_of(root)) as base:

        def play() -> None:
            with ControlPlane(base) as local:
                key = local.api_keys.create(BARBER, {"name": "reader", "scopes": ["sessions:read"]})
            with ControlPlane(base, key["secret"]) as client:
                assert client.sessions.page(BARBER)["data"] == []
                with pytest.raises(NotAuthorised, match="forbidden"):
                    client.calls.create(BARBER)
                with pytest.raises(NotFound, match="tenant_not_found"):
                    client.sessions.page("pizza_shop_demo")

        await asyncio.to_thread(play)
