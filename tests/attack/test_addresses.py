"""The guard and the router read every address alike; and bodies take no field that the API does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.api.app import bare_app
from tests.attack import golden
from tests.attack.asking import ask
from tests.attack.ground import OWN, VICTIM, Ground, ground
from tests.attack.suite import leaks

_PLACES = ("v1", "tenants", OWN, VICTIM, "calls", "sessions", "leads", "api-keys", "config", "usage", "health", "live", "init-session")
_NAMES = (
    "call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2",
    "key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2:rotate",
    f"{OWN}:suspend",
    f"{VICTIM}:suspend",
    f"{OWN}%3Asuspend",
)
_TRICKS = ("..", ".", "", "%2e%2e", "%2f", "%5c", "%00", "%0a", ":", "*", "é", "%C3%A9", "%ff", f"{OWN}#", f"{OWN};a=b", f"{OWN}&x")
SEGMENTS = st.sampled_from((*_PLACES, *_NAMES, *_TRICKS, "openapi.json", ".well-known", "nexus"))
ADDRESSES = st.lists(SEGMENTS, max_size=7).map(lambda parts: "/" + "/".join(parts))
METHODS = st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "QUERY"])


@pytest.fixture(scope="module")
def place() -> Ground:
    return asyncio.run(ground())


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, address=ADDRESSES)
def test_no_address_leads_around_the_guard(place: Ground, method: str, address: str) -> None:
    """Without a credential only what is public is answered, and a route that the guard did not see would answer 500."""
    answer = asyncio.run(ask(place.app, method, address.encode("utf-8", "surrogatepass").decode("latin-1")))
    assert answer.status != 500, f"{method} {address}"
    if answer.status < 300:
        assert any(address.startswith(public) for public in ("/health", "/v1/.well-known/nexus", "/v1/openapi.json")), f"{method} {address}"


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=METHODS, address=ADDRESSES)
def test_no_address_shows_an_admin_another_tenant(place: Ground, method: str, address: str) -> None:
    shown = place.credential("its admin").headers
    answer = asyncio.run(ask(place.app, method, address.encode("utf-8", "surrogatepass").decode("latin-1"), shown))
    assert answer.status != 500 and not leaks(answer), f"{method} {address}"


OPEN_BODIES = {"putConfigDraft": "a draft may be wrong; config:validate and config:publish refuse what they do not know"}
"""Operations whose body is free in its first level, and why that is safe."""


def bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    document = bare_app().openapi()
    for path in document["paths"].values():
        for operation in path.values():
            content = operation.get("requestBody", {}).get("content", {})
            for form in content.values():
                yield operation["operationId"], _resolved(form["schema"], document)


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(choices) == 1:
        return _resolved(choices[0], document)
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return found


def test_every_body_is_closed() -> None:
    told = dict(bodies())
    assert "createCall" in told and set(OPEN_BODIES) <= set(told)
    open_ones = [name for name, schema in told.items() if schema.get("additionalProperties") is not False and name not in OPEN_BODIES]
    assert open_ones == []


def test_every_operation_is_in_the_golden_file() -> None:
    described = {operation["operationId"] for path in bare_app().openapi()["paths"].values() for operation in path.values()}
    assert described == set(golden.entries())


@pytest.mark.parametrize("more", [{"tenant_id": VICTIM}, {"id": VICTIM}, {"config_hash": "sha256:0"}, {"state": "active"}, {"version": 99}])
async def test_a_configuration_cannot_make_itself_another_tenants(more: dict[str, object]) -> None:
    """A draft may say anything; what is published is this tenant's, in fields that are known."""
    place = await ground()
    shown, before = place.credential("its admin").headers, await place.belongings()
    base = f"/v1/tenants/{OWN}/config"
    written = await ask(place.app, "PUT", f"{base}/draft", shown, {"system_prompt": "You sell nothing.", **more})
    assert written.status == 200, written.text
    published = await ask(place.app, "POST", f"{base}:publish", shown, {})
    assert published.status == 422 and published.code == "invalid_config", published.text
    assert await place.belongings() == before
