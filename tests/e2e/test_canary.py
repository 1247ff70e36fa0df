"""The test call: against the running product it goes well; whatever breaks is named by its step."""

from __future__ import annotations

import json

import httpx2
import pytest

from local.cli import main
from nexus.adapters.canary import Errand, try_call
from tests.e2e.product import BARBER, Product
from tests.fakes.console_server import ConsoleBackend, console_server

FULL = {"status": 503, "code": "no_engine_slot", "title": "All lines are busy"}


async def test_a_test_call_is_answered_and_leaves_a_record_that_is_marked(running: Product) -> None:
    outcome = await try_call(Errand(running.base, BARBER, ""))
    assert outcome.well, outcome
    assert outcome.answer_ms is not None and 0 < outcome.answer_ms < 10_000
    assert outcome.record_ms is not None
    async with httpx2.AsyncClient(base_url=running.base, trust_env=False) as http:
        record = (await http.get(f"/v1/tenants/{BARBER}/sessions/{outcome.call_id}")).json()
    assert record["test"] is True
    assert record["end_reason"] == "caller_hangup"
    assert "Saturday" in json.dumps(record["turns"])


def test_the_command_says_how_it_went(running: Product, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", BARBER, "--url", running.base]) == 0
    assert "answered after" in capsys.readouterr().out
    assert main(["canary", "nobody_here", "--url", running.base]) == 1
    assert "failed at order: 404 tenant_not_found" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("backend", "step", "why"),
    [
        (ConsoleBackend(refuse=FULL), "order", "503 no_engine_slot"),
        (ConsoleBackend(refuse_sockets=1), "connect", "403"),
        (ConsoleBackend(drop_on_text=True), "answer", "closed"),
    ],
)
async def test_what_breaks_is_named_by_its_step(backend: ConsoleBackend, step: str, why: str) -> None:
    with console_server(backend) as address:
        outcome = await try_call(Errand(address.removesuffix("/console/"), BARBER, "nx_x", greeting_s=5, answer_s=5, record_s=1))
    assert (outcome.failed, why in outcome.why) == (step, True), outcome


async def test_an_answer_that_does_not_come_in_time_is_no_answer() -> None:
    with console_server(ConsoleBackend()) as address:
        errand = Errand(address.removesuffix("/console/"), BARBER, "", says="other engine", answer_s=0.5)
        outcome = await try_call(errand)
    assert (outcome.failed, outcome.why, outcome.answer_ms) == ("answer", "not within 0 s", None)


async def test_nobody_at_the_address() -> None:
    outcome = await try_call(Errand("http://127.0.0.1:1", BARBER, ""))
    assert (outcome.failed, outcome.why) == ("order", "the API cannot be reached: ConnectError")
