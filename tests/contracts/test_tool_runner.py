"""The ``ToolRunner`` port over real child processes: validated, limited, done once."""

from __future__ import annotations

import asyncio
import json

from media_plane.tooling.check import check_tenant_tools
from media_plane.tooling.processes import PoolLimits
from nexus.domain.tenant import TenantConfig
from tests.fakes.tool_bench import HEAD, bench, run, tool

COUNT = "found = await context.store.get('n')\nn = (found.value if found else 0) + 1\nawait context.store.put('n', n)\n"
BOOK = tool("book", COUNT + "return f'booked {n}'", effect="write", parameters="{'day': 'string'}")


async def test_a_write_happens_once_and_is_replayed() -> None:
    async with bench({"shop": BOOK}) as given:
        tools = given.tools("shop", "book")
        first = await run(tools, "book", {"day": "monday"})
        second = await run(tools, "book", {"day": "monday"}, request_id="r2")
        other = await run(tools, "book", {"day": "friday"}, request_id="r3")
        next_call = await run(given.tools("shop", "book", call_id="call_2"), "book", {"day": "monday"})
    assert (first.status, first.output) == ("done", "booked 1")
    assert (second.status, second.output, second.effect_id) == ("replayed", "booked 1", first.effect_id)
    assert (other.output, next_call.output) == ("booked 2", "booked 3")
    assert len(first.effect_id) == 16


async def test_two_at_once_run_once() -> None:
    slow = tool("book", "import asyncio\nawait asyncio.sleep(0.05)\n" + COUNT + "return f'booked {n}'", effect="write")
    async with bench({"shop": slow}) as given:
        tools = given.tools("shop", "book")
        both = await asyncio.gather(run(tools, "book"), run(tools, "book", request_id="r2"))
    assert sorted(ended.status for ended in both) == ["done", "replayed"]
    assert {ended.output for ended in both} == {"booked 1"}


async def test_an_effect_of_a_dead_process_is_unknown_and_never_run_again() -> None:
    async with bench({"shop": BOOK}) as given:
        done = await run(given.tools("shop", "book"), "book", {"day": "monday"})
        await given.effects.begin("shop", "call_9", done.effect_id, "book")
        again = await run(given.tools("shop", "book", call_id="call_9"), "book", {"day": "monday"})
        assert (await given.store.get("shop", "n")).value == 1  # type: ignore[union-attr]
    assert (again.status, again.error_code) == ("unknown", "tool_outcome_unknown")
    assert "can't tell" in again.spoken


async def test_a_refusal_is_said_and_may_be_tried_again() -> None:
    async with bench({"shop": tool("book", COUNT + "raise ToolRefusal(f'taken {n}')", effect="write")}) as given:
        tools = given.tools("shop", "book")
        ended = [await run(tools, "book", request_id=f"r{n}") for n in range(2)]
    assert [(one.status, one.output) for one in ended] == [("refused", "taken 1"), ("refused", "taken 2")]


async def test_after_a_cancellation_the_same_booking_is_made_anew() -> None:
    cancel = tool("cancel", "return 'cancelled'", effect="write", extra="    undoes = 'book'\n", parameters="{'day': 'string'}")
    async with bench({"shop": BOOK + cancel}) as given:
        tools = given.tools("shop", "book", "cancel")
        said = [(await run(tools, name, {"day": "monday"}, request_id=str(n))).status for n, name in enumerate(["book", "cancel"] * 2)]
    assert said == ["done"] * 4


async def test_reads_run_each_time_with_ids_of_their_own() -> None:
    async with bench({"shop": tool("look", "return context.effect_id")}) as given:
        tools = given.tools("shop", "look")
        assert (await run(tools, "look")).output != (await run(tools, "look", request_id="r2")).output


async def test_what_is_wrong_with_the_request_is_said() -> None:
    async with bench({"shop": BOOK}) as given:
        tools = given.tools("shop", "book")
        missing, unknown = await run(tools, "book", {}), await run(tools, "fly", {})
    assert (missing.status, missing.error_code, missing.spoken) == ("failed", "tool_arguments_invalid", "I still need day for that.")
    assert (unknown.status, unknown.error_code) == ("failed", "tool_unknown")
    assert unknown.spoken


async def test_the_context_and_the_store_are_the_tenants_own() -> None:
    look = tool(
        "look",
        "await context.store.put('mine', context.tenant_id)\n"
        "try: await context.store.put_new('mine', 1)\nexcept SlotTaken: pass\nelse: return 'twice'\n"
        "return [context.call_id, context.timezone, str(context.now.tzinfo), context.settings['a'], len(await context.store.list(''))]",
    )
    async with bench({"one": look, "two": look}) as given:
        for tenant in ("one", "two"):
            tools = given.tools(tenant, "look", timezone="Europe/Berlin", tool_settings={"a": 7})
            assert json.loads((await run(tools, "look")).output) == ["call_1", "Europe/Berlin", "Europe/Berlin", 7, 1]


async def test_the_originals_shapes_load() -> None:
    legacy = """
class Legacy(BaseTool):
    @property
    def name(self): return "legacy"
    @property
    def description(self): return "An old tool"
    @property
    def parameters(self): return {"time": "string"}
    async def execute(self, **kwargs): return f"at {kwargs['time']}"
class Named(BaseTool):
    name = "named"
    description = "Another"
    parameters = {"time": "string"}
    async def execute(self, time: str): return f"for {time}"
"""
    async with bench({"shop": legacy}) as given:
        tools = given.tools("shop", "named", "legacy")
        assert [spec.name for spec in await tools.tools()] == ["named", "legacy"]
        assert (await run(tools, "legacy", {"time": 10})).output == "at 10"
        assert (await run(tools, "named", {"time": "noon"})).output == "for noon"


async def test_a_call_keeps_the_tools_it_began_with_and_the_next_one_sees_the_edit() -> None:
    async with bench({"shop": tool("say", "return 'old'")}) as given:
        running = given.tools("shop", "say")
        await running.tools()
        given.sources["shop"] = HEAD + tool("say", "return 'new'")
        assert (await run(running, "say")).output == "old"
        assert (await run(given.tools("shop", "say"), "say")).output == "new"
        assert given.processes.count == 2


async def test_idle_children_end_and_the_pool_is_bounded() -> None:
    sources = {name: tool("say", f"return {name!r}") for name in ("a1", "b1", "c1")}
    async with bench(sources, pool=PoolLimits(processes=2, idle_s=60)) as given:
        for name in sources:
            assert (await run(given.tools(name, "say"), "say")).output == name
        assert given.processes.count == 2
    assert given.processes.count == 0


async def test_check_names_every_fault() -> None:
    config = TenantConfig(tenant_id="shop", system_prompt="x", enabled_tools=("book", "fly"))
    (vetted,) = await check_tenant_tools("import os\n", config)
    assert vetted.startswith("line 1: import of os is not allowed")
    (missing,) = await check_tenant_tools(HEAD + BOOK, config)
    assert "'fly'" in missing
    assert "ZeroDivisionError" in (await check_tenant_tools("x = 1\ny = 1 / 0\n", config))[0]
    assert (await check_tenant_tools("x = 1\ny = 1 / 0\n", config))[0].startswith("line 2: ")


FLAKY = tool(
    "flaky",
    "tries = await context.store.get('tries')\n"
    "count = (tries.value if tries else 0) + 1\n"
    "await context.store.put('tries', count)\n"
    "if count < 3: raise ValueError('not yet')\n"
    "return f'ready after {count}'",
    extra="    retries = 2\n",
)


async def test_a_failed_read_is_tried_again_as_often_as_it_allows() -> None:
    async with bench({"shop": HEAD + FLAKY}) as made:
        finished = await run(made.tools("shop", "flaky"), "flaky")
    assert (finished.status, finished.output, finished.attempts) == ("done", "ready after 3", 3)


async def test_a_read_that_goes_on_failing_is_given_up() -> None:
    async with bench({"shop": HEAD + tool("broken", "raise ValueError('no')", extra="    retries = 1\n")}) as made:
        finished = await run(made.tools("shop", "broken"), "broken")
    assert (finished.status, finished.attempts) == ("failed", 2)


async def test_a_tool_may_have_a_deadline_of_its_own() -> None:
    slow = tool("slow", "import asyncio\nawait asyncio.sleep(30)", extra="    timeout_s = 0.2\n")
    async with bench({"shop": HEAD + slow}) as made:
        finished = await run(made.tools("shop", "slow", timeout_s=20.0), "slow")
    assert finished.error_code == "tool_timeout"


async def test_a_write_cannot_ask_to_be_tried_again() -> None:
    async with bench({"shop": HEAD + tool("book", "return 'x'", effect="write", extra="    retries = 1\n")}) as made:
        faults = await made.tools("shop", "book").faults()
    assert any("retries" in fault and 'effect = "read"' in fault for fault in faults)
