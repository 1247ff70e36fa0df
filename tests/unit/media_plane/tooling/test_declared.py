"""Declared tools in a call: run once like any other, without a child process, and broken ``tools.py`` beside them does no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from media_plane.conversation.commands import RunTool
from media_plane.tooling.runner import TenantTools
from nexus.domain.http_tool import HttpOutcome, HttpTool
from tests.fakes.tool_bench import Bench, bench, run, tool

BOOK: dict[str, Any] = {
    "name": "book",
    "description": "Book a time",
    "parameters": {"time": "string"},
    "url": "https://tools.example.com/bookings",
    "spoken": {"failure": "Our booking system does not answer."},
}
FIND = {**BOOK, "name": "find", "effect": "read", "retries": 2}


@dataclass
class ToldHttp:
    """``HttpTools`` that gives ``outcomes`` in turn, the last one for ever; keeps what it was asked."""

    outcomes: list[HttpOutcome] = field(default_factory=lambda: [HttpOutcome("done", "Booked.")])
    asked: list[tuple[str, str, dict[str, Any], str, float]] = field(default_factory=list)
    may_answer: asyncio.Event | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float) -> HttpOutcome:
        self.asked.append((tenant_id, tool.name, dict(arguments), key, timeout_s))
        self.begun.set()
        if self.may_answer is not None:
            await self.may_answer.wait()
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


def tools_of(
    home: Bench, http: ToldHttp, *declared: dict[str, Any], enabled: tuple[str, ...] = ("book",), call_id: str = "call_1"
) -> TenantTools:
    made = home.tools("shop", *enabled, call_id=call_id, http_tools=declared)
    made._parts = replace(made._parts, http=http)
    return made


async def test_it_is_offered_and_run_without_a_child_process() -> None:
    async with bench({}) as home:
        http = ToldHttp()
        tools = tools_of(home, http, BOOK)
        spec = (await tools.tools())[0]
        assert (spec.name, spec.effect, spec.parameters["required"]) == ("book", "write", ["time"])
        finished = await run(tools, "book", {"time": 10, "unknown": 1})
        assert (finished.status, finished.output, finished.attempts) == ("done", "Booked.", 1)
        assert http.asked == [("shop", "book", {"time": "10"}, f"call_1.{finished.effect_id}", 5.0)]
        assert home.processes.count == 0 and await tools.faults() == ()


async def test_a_write_happens_once_and_two_calls_are_two_effects() -> None:
    async with bench({}) as home:
        http = ToldHttp()
        tools = tools_of(home, http, BOOK)
        first, again = await run(tools, "book", {"time": "ten"}), await run(tools, "book", {"time": "ten"}, request_id="r2")
        assert (first.status, again.status, again.output, len(http.asked)) == ("done", "replayed", "Booked.", 1)
        await run(tools_of(home, http, BOOK, call_id="call_2"), "book", {"time": "ten"})
        assert len({key for *_, key, _ in http.asked}) == 2


async def test_asked_twice_at_once() -> None:
    async with bench({}) as home:
        http = ToldHttp(may_answer=asyncio.Event())
        tools = tools_of(home, http, BOOK)
        both = [asyncio.create_task(tools.run(RunTool(name, "book", {"time": "ten"}))) for name in ("r1", "r2")]
        await http.begun.wait()
        assert http.may_answer is not None
        http.may_answer.set()
        assert sorted(one.status for one in await asyncio.gather(*both)) == ["done", "replayed"] and len(http.asked) == 1


async def test_what_was_certainly_not_done_may_be_asked_for_again() -> None:
    async with bench({}) as home:
        http = ToldHttp([HttpOutcome("failed", problem="unreachable", attempts=3), HttpOutcome("refused"), HttpOutcome("done", "Booked.")])
        tools = tools_of(home, http, BOOK)
        told = [await run(tools, "book", {"time": "ten"}, request_id=f"r{i}") for i in range(3)]
        assert [one.status for one in told] == ["failed", "failed", "done"]
        assert (told[0].spoken, told[0].attempts) == ("Our booking system does not answer.", 3)


async def test_the_servers_no_is_said_and_may_be_asked_again() -> None:
    async with bench({}) as home:
        http = ToldHttp([HttpOutcome("refused", "Ten is taken."), HttpOutcome("done", "Booked.")])
        tools = tools_of(home, http, BOOK)
        assert ((await run(tools, "book", {"time": "ten"})).status, (await run(tools, "book", {"time": "ten"})).status) == (
            "refused",
            "done",
        )


async def test_a_doubtful_write_is_never_run_again_in_the_call() -> None:
    for doubt, code in ((HttpOutcome("timeout"), "tool_timeout"), (HttpOutcome("unknown"), "tool_crashed")):
        async with bench({}) as home:
            http = ToldHttp([doubt])
            tools = tools_of(home, http, BOOK)
            first, again = await run(tools, "book", {"time": "ten"}), await run(tools, "book", {"time": "ten"})
            assert (first.status, first.error_code, again.status, len(http.asked)) == ("unknown", code, "unknown", 1)
            assert "can't tell" in first.spoken


async def test_a_lookup_is_tried_again_and_its_doubt_is_only_a_failure() -> None:
    async with bench({}) as home:
        http = ToldHttp([HttpOutcome("unknown"), HttpOutcome("failed"), HttpOutcome("done", "Dana.")])
        tools = tools_of(home, http, FIND, enabled=("find",))
        finished = await run(tools, "find", {"time": "ten"})
        assert (finished.status, finished.output, finished.attempts) == ("done", "Dana.", 3)
        http.outcomes = [HttpOutcome("timeout")]
        finished = await run(tools, "find", {"time": "ten"})
        assert (finished.status, finished.attempts, finished.spoken) == ("failed", 3, "Our booking system does not answer.")


async def test_an_answer_nobody_can_say() -> None:
    async with bench({}) as home:
        finished = await run(tools_of(home, ToldHttp([HttpOutcome("invalid", problem="html")]), BOOK), "book", {"time": "ten"})
        assert (finished.status, finished.error_code) == ("failed", "tool_output_invalid")


async def test_both_kinds_side_by_side_and_a_broken_file() -> None:
    async with bench({"shop": tool("look", "return 'Looked.'") + tool("book", "return 'Of the file.'")}) as home:
        tools = tools_of(home, ToldHttp(), BOOK, enabled=("look", "book"))
        assert [spec.name for spec in await tools.tools()] == ["look", "book"]
        assert (await run(tools, "look")).output == "Looked." and (await run(tools, "book", {"time": "ten"})).output == "Booked."
        assert any("the declared one is used" in fault for fault in await tools.faults())
    async with bench({"shop": "import os\n"}) as home:
        tools = tools_of(home, ToldHttp(), BOOK, enabled=("look", "book"))
        assert [spec.name for spec in await tools.tools()] == ["book"] and await tools.faults()


async def test_only_what_is_enabled_and_nothing_without_a_sender() -> None:
    async with bench({}) as home:
        assert (await run(tools_of(home, ToldHttp(), BOOK, enabled=()), "book", {"time": "ten"})).error_code == "tool_unknown"
        finished = await run(home.tools("shop", "book", http_tools=(BOOK,)), "book", {"time": "ten"})
        assert finished.status == "failed"
