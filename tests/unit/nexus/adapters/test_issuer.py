"""Fetching an issuer's keys from a server that may be anything."""

from __future__ import annotations

import pytest

from nexus.adapters import issuer as adapter
from nexus.adapters.issuer import HttpIssuerKeys
from nexus.errors import Unavailable
from tests.fakes.issuer import issuer_server


async def refused(keys: HttpIssuerKeys) -> str:
    with pytest.raises(Unavailable) as caught:
        await keys.fetch()
    assert caught.value.code == "issuer_unreachable"
    return caught.value.public_message


async def test_the_keys_are_found_by_the_issuers_description() -> None:
    async with issuer_server() as server:
        found = await HttpIssuerKeys(server.issuer).fetch()
        assert {key["kid"] for key in found["keys"]} == {"rsa-1", "ec-1"}
        assert server.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_known_address_is_asked_directly() -> None:
    async with issuer_server() as server:
        await HttpIssuerKeys(server.issuer, f"{server.issuer}/keys").fetch()
        assert server.asked == ["/keys"]


async def test_answers_that_are_no_keys() -> None:
    async with issuer_server() as server:
        keys = HttpIssuerKeys(server.issuer, f"{server.issuer}/keys")
        for body, status in ((b"{}", 500), (b"", 302), (b"no json", 200), (b"[1]", 200), (b"x" * (adapter.MOST_BYTES + 1), 200)):
            server.serve("/keys", body, status)
            await refused(keys)
        assert "/elsewhere" not in server.asked


@pytest.mark.parametrize("uri", ["http://evil.example/keys", "file:///etc/passwd", "", 7, "http://169.254.169.254/latest"])
async def test_a_description_that_leads_astray(uri: object) -> None:
    async with issuer_server() as server:
        server.serve("/.well-known/openid-configuration", {"issuer": server.issuer, "jwks_uri": uri})
        await refused(HttpIssuerKeys(server.issuer))
        assert server.asked == ["/.well-known/openid-configuration"]


async def test_a_description_of_another_issuer() -> None:
    async with issuer_server() as server:
        server.serve("/.well-known/openid-configuration", {"issuer": "https://evil.example", "jwks_uri": f"{server.issuer}/keys"})
        await refused(HttpIssuerKeys(server.issuer))


async def test_nobody_there() -> None:
    async with issuer_server() as server:
        gone = server.issuer
    assert gone in await refused(HttpIssuerKeys(gone))
