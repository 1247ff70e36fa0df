"""An engine is lost while its tool runs: the next one tells the caller what came of it, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from media_plane.conversation.events import EngineFailed, ToolRequested
from media_plane.engines.scripted import Emit, Reaction, Script, Wait
from tests.scenarios.house import TENANT, house, write_tenant

FAST: dict[str, Any] = {"engine_connect_attempts": 1, "engine_retry_delay_s": 0.1, "engine_return_interval_s": 60}
BOOK = """
import asyncio

class Book(BaseTool):
    name = "book_table"
    description = "Books a table."
    effect = "write"
    parameters = {"type": "object", "properties": {"time": {"type": "string"}}, "required": ["time"]}

    async def execute(self, context, time: str) -> str:
        count = len(await context.store.list("booked/"))
        await context.store.put("booked/%d" % count, time)
        await asyncio.sleep(1.5)
        return "Your table is booked for ten o'clock."
"""
TOLD = "Your table is booked for ten o'clock."


async def test_the_next_engine_tells_what_the_lost_one_s_tool_did(tmp_path: Path) -> None:
    write_tenant(tmp_path / "tenants", tools=BOOK, enabled_tools=["book_table"])
    asks = (Emit(ToolRequested("scripted-1", "book_table", {"time": "10:00"})), Wait(300), Emit(EngineFailed("engine_lost", "cable cut")))
    lost, gone = Script((Reaction("turn", asks),)), Script(fail_start=True)
    async with house(tmp_path, (lost, gone), **FAST) as home, home.call() as caller:
        await caller.hears("audio.end")
        await caller.type("Yes, book it for ten")
        await caller.hears("mode_changed", to="text_only", reason="engine_lost")
        await caller.until(lambda: any(TOLD in line for line in caller.agent_lines()))
        await caller.type("Thank you, bye")
        await caller.ended()
        record = await home.record()
        assert len(await home.stores.tool_values.list(TENANT, "booked/")) == 1
    assert [(use.name, use.status) for use in record.tools] == [("book_table", "done")]
    told = [turn.text for turn in record.turns if turn.role == "agent" and TOLD in turn.text]
    assert len(told) == 1, "spoken once"
