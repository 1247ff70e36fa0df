"""Tools of real tenants in their child processes, asked for in the middle of a call."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process or another connection)

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

from media_plane.conversation.events import ToolRequested
from media_plane.engines.scripted import Emit, Reaction, Script, Speak
from tests.scenarios.house import TENANT, Caller, House, house, write_tenant

ROOT = Path(__file__).parents[2]


def tool(name: str, body: str, effect: str = "read") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        f"class T{name}(BaseTool):\n    name = {name!r}\n    description = 'test'\n    effect = {effect!r}\n    parameters = {{}}\n"
        f"    async def execute(self, context, **arguments):\n{lines}\n"
    )


def asks(name: str, **arguments: object) -> Script:
    """An engine that asks for the tool at each turn and then says that it is through."""
    request = Reaction("turn", (Emit(ToolRequested("r1", name, arguments)),))
    return Script((request, Reaction("tool", (Speak("Through."),))), echo=True)


async def talk(caller: Caller) -> None:
    await caller.hears("audio.end")
    await caller.type("Do it")
    await caller.hears("transcript", within_s=20, role="agent", text="Through.", final=True)


BAD = {
    "raises": "raise RuntimeError('secret: 12345')",
    "hangs": "import time\nwhile True: time.sleep(1)",
    "binary": "return b'\\x00\\xff' * 10",
    "floods": "return 'x' * 50_000_000",
    "dies": "raise SystemExit(9)",
}


async def test_tools_that_misbehave_never_hurt_the_call(tmp_path: Path) -> None:
    for name, body in BAD.items():
        write_tenant(tmp_path / "tenants", f"shop_{name}", tools=tool(name, body), enabled_tools=[name], limits={"tool_timeout_s": 2})

    async def one(home: House, name: str) -> None:
        async with home.call(f"shop_{name}") as caller:
            await talk(caller)
            assert caller.messages("tool")[-1]["status"] == "failed", name
            assert await caller.hang_up() == "caller_hangup"

    engines = {name: asks(name) for name in BAD}
    for name, script in engines.items():
        async with house(tmp_path, script, engine_slots=5) as home:
            await one(home, name)
    for name in BAD:
        record = await home.record(f"shop_{name}")
        assert [(use.name, use.status) for use in record.tools] in ([(name, "failed")], [(name, "unknown")])
        assert "12345" not in record.model_dump_json()


async def test_a_slow_tool_is_bridged_within_a_second(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", tools=tool("slow", "import asyncio\nawait asyncio.sleep(2)\nreturn 'ok'"), enabled_tools=["slow"])
    async with house(tmp_path, asks("slow")) as home, home.call() as caller:
        await talk(caller)
        began, filled = caller.at("tool", status="running"), caller.at("transcript", role="agent", text="One moment, please.")
        assert began is not None and filled is not None and filled - began < 1_000
        statuses = [message["status"] for message in caller.messages("tool")]
        assert statuses == ["running", "done"]
        await caller.hang_up()
        assert [use.status for use in (await home.record()).tools] == ["done"]


async def test_the_tool_process_killed_in_the_middle_acts_at_most_once(tmp_path: Path) -> None:
    body = "import asyncio\n"
    body += "n = len(await context.store.list('did/'))\nawait context.store.put('did/%d' % n, n)\n"
    body += "await asyncio.sleep(3)\nreturn 'ok'"
    write_tenant(tmp_path / "tenants", tools=tool("act", body, "write"), enabled_tools=["act"])
    async with house(tmp_path, asks("act")) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Do it")
        async with asyncio.timeout(10):
            while not (stored := await home.stores.tool_values.list(TENANT, "did/")):
                await asyncio.sleep(0.02)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)
        await caller.hears("transcript", within_s=15, role="agent", text="Through.", final=True)
        await caller.hang_up()
        record = await home.record()
    assert len(stored) == 1 and len(await home.stores.tool_values.list(TENANT, "did/")) == 1
    assert [use.status for use in record.tools] in (["unknown"], ["failed"])


async def test_two_callers_race_for_one_slot_of_the_barber(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    friday = today + timedelta(days=7 + (4 - today.weekday()) % 7)
    arguments = {
        "date": friday.isoformat(),
        "time": "10:00",
        "service": "haircut",
        "customer_name": "Ada",
        "phone": "+12125550123",
    }

    async def race(home: House) -> str:
        async with home.call("barber_shop_demo") as caller:
            await talk(caller)
            await caller.hang_up()
            return caller.call_id

    async with house(tmp_path, asks("book_appointment", **arguments), tenants_dir=ROOT / "tenants") as home:
        await asyncio.gather(race(home), race(home))
        records = await home.many_records(2, "barber_shop_demo")
        uses = [use for record in records for use in record.tools]
        stored = await home.stores.tool_values.list("barber_shop_demo", "")
    assert len(uses) == 2
    won = [use for use in uses if "You are booked" in use.output]
    assert len(won) == 1, [(use.status, use.output) for use in uses]
    lost = next(use for use in uses if use is not won[0])
    assert "taken" in lost.output.lower() or "free" in lost.output.lower(), lost.output
    assert stored
