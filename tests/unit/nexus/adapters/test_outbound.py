"""The guard over a real TLS connection: the checked address is the one that is connected to, whatever names and redirects say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from nexus.adapters.outbound import GuardedHttp, OutboundRules
from nexus.domain.outbound import OutboundAnswer, OutboundRequest
from tests.fakes.tls_server import HOST, Resolver, tenant_server


async def send(rules: OutboundRules, url: str = f"https://{HOST}/a", *, deadline_s: float = 5.0, most_bytes: int = 1000) -> OutboundAnswer:
    return await GuardedHttp(rules).send(
        OutboundRequest("POST", url, {"X-A": "b"}, b'{"a":1}'), deadline_s=deadline_s, most_bytes=most_bytes
    )


async def test_an_exchange_under_the_name_of_the_certificate() -> None:
    async with tenant_server() as server:
        server.answers('{"ok":true}', 201)
        answer = await send(server.rules, f"{server.url}/a?b=c")
        assert (answer.status, answer.body, answer.error, answer.cut) == (201, b'{"ok":true}', "", False)
        first, headers, body = server.receiver.requests[0]
        assert first == "POST /a?b=c HTTP/1.1" and headers["host"] == HOST and headers["x-a"] == "b" and body == b'{"a":1}'
        assert headers["accept-encoding"] == "identity"


async def test_a_name_that_changes_its_address_is_asked_once() -> None:
    """DNS rebinding: the second answer leads inside, and nobody ever hears it."""
    async with tenant_server("127.0.0.7") as server:
        resolver = Resolver(["127.0.0.7"], ["127.0.0.1"])
        rules = replace(server.rules, allowed=lambda one: one == "127.0.0.7", resolve=resolver)
        assert (await send(rules)).status == 200
        assert resolver.asked == [(HOST, 443)]
        assert (await send(rules)).error == "address_not_allowed"
        assert len(server.receiver.requests) == 1


@pytest.mark.parametrize(
    "found", [["127.0.0.1"], ["169.254.169.254"], ["93.184.215.14", "10.0.0.1"], ["::ffff:10.0.0.1"], [], ["nonsense"]]
)
async def test_a_name_that_leads_inside_is_never_connected_to(found: Sequence[str]) -> None:
    async with tenant_server() as server:
        rules = OutboundRules(trust=server.rules.trust, resolve=Resolver(found), dial_port=server.rules.dial_port)
        answer = await send(rules)
        assert (answer.status, answer.error, answer.arrived) == (None, "address_not_allowed", False)
        assert server.receiver.requests == []


@pytest.mark.parametrize(
    "url", ["http://tools.example.com/", "https://127.0.0.1/", "https://user@tools.example.com/", "https://[::1]/", "x"]
)
async def test_an_address_that_is_no_target_is_not_even_resolved(url: str) -> None:
    resolver = Resolver(["93.184.215.14"])
    answer = await send(OutboundRules(resolve=resolver), url)
    assert (answer.error, answer.arrived, resolver.asked) == ("url_not_allowed", False, [])


async def test_only_the_ports_that_are_allowed() -> None:
    resolver = Resolver(["10.0.0.1"])
    assert (await send(OutboundRules(resolve=resolver, ports=frozenset({443})), "https://tools.example.com:22/")).error == "url_not_allowed"
    assert (await send(OutboundRules(resolve=resolver), "https://tools.example.com:22/")).error == "address_not_allowed"
    assert resolver.asked == [(HOST, 22)]


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    async with tenant_server() as server:
        server.answers("", 302)
        server.receiver.extra = "Location: https://169.254.169.254/latest\r\n"
        resolver = Resolver(["127.0.0.1"])
        answer = await send(replace(server.rules, resolve=resolver))
        assert (answer.status, answer.headers["location"]) == (302, "https://169.254.169.254/latest")
        assert len(resolver.asked) == 1 and len(server.receiver.requests) == 1


async def test_a_certificate_of_another_name_or_of_nobody_known() -> None:
    async with tenant_server() as server:
        assert (await send(server.rules, "https://other.example.com/")).error == "tls_failed"
        strangers = OutboundRules(allowed=server.rules.allowed, resolve=Resolver(["127.0.0.1"]), dial_port=server.rules.dial_port)
        answer = await send(strangers)
        assert (answer.error, answer.arrived, server.receiver.requests) == ("tls_failed", False, [])


async def test_a_long_answer_is_cut() -> None:
    async with tenant_server() as server:
        server.answers("x" * 500_000)
        answer = await send(server.rules, most_bytes=1000)
        assert (len(answer.body), answer.cut) == (1000, True)


async def test_an_answer_that_does_not_come() -> None:
    async with tenant_server() as server:
        server.receiver.hold = True
        answer = await send(server.rules, deadline_s=0.5)
        assert (answer.status, answer.error, answer.arrived) == (None, "timeout", True)


async def test_a_connection_that_breaks_off_after_the_request() -> None:
    async with tenant_server() as server:
        server.receiver.extra = "broken\x00header\r\n"
        answer = await send(server.rules)
        assert (answer.error, answer.arrived) == ("broken", True)


async def test_nobody_listens() -> None:
    async with tenant_server() as server:
        rules = server.rules
    answer = await send(rules)
    assert (answer.error, answer.arrived) == ("unreachable", False)


async def test_a_name_nobody_knows_and_one_that_takes_too_long() -> None:
    async def unknown(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    assert (await send(OutboundRules(resolve=unknown))).error == "unreachable"
    answer = await send(OutboundRules(resolve=slow), deadline_s=0.1)
    assert (answer.error, answer.arrived) == ("timeout", False)


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with tenant_server() as server:
        assert (await send(server.rules)).status == 200


def test_what_an_answer_and_a_request_show_of_themselves() -> None:
    request = OutboundRequest("POST", "https://tools.example.com/", {"Authorization": "hidden-token"}, b"hidden-body")
    assert "hidden" not in repr(request)
