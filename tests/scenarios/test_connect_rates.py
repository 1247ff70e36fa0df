"""Sockets that are opened too fast are refused at the door of either shell, before anything is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.house import Shell, dial, house, write_tenant
from tests.scenarios.test_bad_input import refused

BOTH = pytest.mark.parametrize("shell", ["sockets", "uvicorn"])


@BOTH
async def test_an_address_that_opens_too_many_is_told_when_to_come_again(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    async with house(tmp_path, shell=shell, connect_limit_address=2, trusted_proxies=1) as home:
        ordered = await home.order()
        url, came = f"{home.url}/v1/calls/{ordered.entry.call_id}", {"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
        assert [(await refused(url, "junk", **came))[0] for _ in range(2)] == [401, 401]
        status, problem, headers = await refused(url, ordered.ticket, **came)
        assert (status, problem["code"], headers["retry-after"]) == (429, "rate_limited", "30")
        assert problem["retryable"] is True
        async with dial(home.url, ordered.entry.call_id, ordered.ticket, additional_headers={"X-Forwarded-For": "203.0.113.8"}) as caller:
            await caller.begin()
            await caller.hears("audio.end")
            assert await caller.hang_up() == "caller_hangup", "the ticket was not burnt, and another address is let in"


@BOTH
async def test_a_tenant_that_opens_too_many_is_refused_and_another_is_not(tmp_path: Path, shell: Shell) -> None:
    write_tenant(tmp_path / "tenants")
    write_tenant(tmp_path / "tenants", "other_shop")
    async with house(tmp_path, shell=shell, connect_limit_tenant=1) as home:
        async with home.call() as caller:
            await caller.hears("audio.end")
            await caller.hang_up()
        ordered = await home.order()
        url = f"{home.url}/v1/calls/{ordered.entry.call_id}"
        assert (await refused(url, "junk"))[0] == 401, "a ticket that is none is counted for no tenant"
        status, problem, headers = await refused(url, ordered.ticket)
        assert (status, problem["code"]) == (429, "rate_limited") and 0 < int(headers["retry-after"]) <= 60
        assert (await home.stores.ledger.get("corner_shop", ordered.entry.call_id)).state == "ready"
        async with home.call("other_shop") as caller:
            await caller.hears("audio.end")
            await caller.hang_up()
