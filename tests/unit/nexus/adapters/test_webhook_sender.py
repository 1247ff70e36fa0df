"""The sender reaches public addresses only, whatever names, redirects and numbers say."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nexus.adapters.webhook_sender import HttpWebhookSender, SendingRules, is_public
from nexus.errors import RequestRejected
from tests.fakes.webhook_receiver import receiver


def resolving(*addresses: str) -> SendingRules:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return SendingRules(resolve=resolve, deadline_s=2.0)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 (an address to refuse)
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "crm.example.com",
    ],
)
async def test_a_name_that_leads_inside_is_not_followed(address: str) -> None:
    assert not is_public(address)
    sent = await HttpWebhookSender(resolving(address)).send("https://crm.example.com/", {}, b"{}")
    assert (sent.ok, sent.status, sent.error) == (False, None, "address_not_allowed")


async def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    sent = await HttpWebhookSender(resolving("93.184.215.14", "10.0.0.1")).send("https://crm.example.com/", {}, b"{}")
    assert sent.error == "address_not_allowed"


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["https://127.1/", "https://0x7f000001/", "https://localhost/", "http://localhost:1/", "https:///x", "nonsense"]
)
def test_own_machine_only_where_that_is_allowed(url: str) -> None:
    with pytest.raises(RequestRejected):
        HttpWebhookSender().check(url)


async def test_a_name_of_this_machine_must_lead_to_this_machine() -> None:
    async def elsewhere(host: str, port: int) -> Sequence[str]:
        return ("10.0.0.1",)

    sent = await HttpWebhookSender(SendingRules(loopback=True, resolve=elsewhere)).send("http://localhost:9/", {}, b"{}")
    assert sent.error == "address_not_allowed"


async def test_redirects_are_not_followed_and_long_answers_not_read() -> None:
    sender = HttpWebhookSender(SendingRules(loopback=True))
    async with receiver() as inner, receiver(statuses=[307], extra="Location: {}\r\n", body=b"x" * 500_000) as outer:
        outer.extra = f"Location: {inner.url}\r\nRetry-After: 120\r\n"
        sent = await sender.send(outer.url, {"webhook-id": "evt_1"}, b'{"a":1}')
        assert (sent.status, sent.ok, sent.retry_after_s) == (307, False, 120) and inner.requests == []
        first, headers, body = outer.requests[0]
        assert first.startswith("POST /hooks") and headers["host"] == outer.url.split("/")[2] and body == b'{"a":1}'


async def test_failures_are_told_not_raised() -> None:
    async with receiver(hold=True) as silent:
        sent = await HttpWebhookSender(SendingRules(loopback=True, deadline_s=0.2)).send(silent.url, {}, b"{}")
        assert (sent.status, sent.error) == (None, "timeout") and sent.duration_ms >= 150
        closed = silent.url
    sent = await HttpWebhookSender(SendingRules(loopback=True)).send(closed, {}, b"{}")
    assert (sent.status, sent.error) == (None, "unreachable")
    assert (await HttpWebhookSender().send("http://127.0.0.1:1/", {}, b"{}")).error == "url_not_allowed"
