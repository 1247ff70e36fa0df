"""Each thing that a bad tool can do, done by a real child process, while another tenant's tool answers meanwhile."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from media_plane.tooling.process import ProcessLimits
from tests.fakes.tool_bench import bench, run, tool

OS = "o = getattr(logging, 'o' + 's')\n"  # passes the vetting, so that the wall itself is tried
WRITTEN = "/tmp/nexus-tool-was-here"  # noqa: S108 - nothing may be written there
FINE = tool("fine", "return 'all is well'")

BAD = {
    "raises": ("raise KeyError('secret detail')", "tool_failed"),
    "exits": (OS + "getattr(logging, 'sy' + 's').exit(3)", "tool_failed"),
    "hard_exit": (OS + "o._exit(1)", "tool_crashed"),
    "sleeps": ("await asyncio.sleep(1000)", "tool_timeout"),
    "spins": ("while True: pass", "tool_timeout"),
    "binary": ("return b'\\x00\\xff'", "tool_output_invalid"),
    "binary_text": ("return '\\x00\\x01'", "tool_output_invalid"),
    "object": ("return object()", "tool_output_invalid"),
    "floods": ("return 'x' * 100_000", "tool_output_invalid"),
    "floods_pipe": (OS + "for n in range(3, 20):\n    try: o.write(n, b'{' * 2_000_000)\n    except OSError: pass", None),
    "allocates": ("return str(len(bytearray(2 * 1024 ** 3)))", "tool_failed"),
    "forks": (OS + "o.fork()", "tool_failed"),
    "executes": (OS + "o.execv('/bin/true', ['true'])", "tool_failed"),
    "system": (OS + "o.system('true')", "tool_failed"),
    "kills_parent": (OS + "o.kill(o.getppid(), 9)", "tool_failed"),
    "environ": (OS + "return o.fsdecode(o.read(o.open('/proc/self/environ', 0), 100))", "tool_failed"),
    "parent_environ": (OS + "return o.fsdecode(o.read(o.open(f'/proc/{o.getppid()}/environ', 0), 100))", "tool_failed"),
    "lists": (OS + "return o.listdir('/')", "tool_failed"),
    "writes": (OS + "o.open('" + WRITTEN + "', 65)", "tool_failed"),
    "loopback": ("r, w = await asyncio.open_connection('127.0.0.1', 80)", "tool_failed"),
    "metadata": ("r, w = await asyncio.open_connection('169.254.169.254', 80)", "tool_failed"),
    "slows_the_platform": (OS + "o.sched_setaffinity(o.getppid(), {0})", "tool_failed"),
    "demotes_the_platform": (OS + "o.setpriority(0, o.getppid(), 19)", "tool_failed"),
    "changes_modes": (OS + "o.fchmod(0, 0o777)", "tool_failed"),
    "unfences": (OS + "getattr(logging, 'sy' + 's').modules['media_plane.tooling.fences']._REFUSED = ()", "tool_failed"),
    "surrogate_key": ("await context.store.put('\\ud800', 1)", "tool_failed"),
    "listens": ("await asyncio.start_server(lambda r, w: None, '127.0.0.1', 0)", "tool_failed"),
}


@pytest.mark.parametrize("what", BAD)
async def test_a_bad_tool_hurts_nobody_else(what: str) -> None:
    body, code = BAD[what]
    sources = {"bad": "import asyncio, logging\n" + tool("bad", body), "good": FINE}
    async with bench(sources) as given:
        bad = given.tools("bad", "bad", timeout_s=0.4)
        good = given.tools("good", "fine")
        assert len(await bad.tools()) == 1, await bad.faults()
        ended, *others = await asyncio.gather(run(bad, "bad"), *(run(good, "fine", request_id=f"r{n}") for n in range(5)))
    assert [other.output for other in others] == ["all is well"] * 5
    assert ended.status == "failed" or what == "floods_pipe"
    assert code is None or ended.error_code == code
    assert "secret" not in ended.output + ended.spoken
    assert ended.spoken or ended.status == "done"
    assert not Path(WRITTEN).exists()


async def test_another_tenants_file_stays_unread(tmp_path: Path) -> None:
    secret = tmp_path / "tools.py"
    secret.write_text("another tenant's secret")
    body = OS + f"return o.read(o.open({str(secret)!r}, 0), 100).decode()"
    async with bench({"bad": "import logging\n" + tool("bad", body)}) as given:
        ended = await run(given.tools("bad", "bad"), "bad")
    assert (ended.status, ended.error_code) == ("failed", "tool_failed")


async def test_the_environment_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "very-secret")
    body = OS + "return sorted(o.environ)"
    async with bench({"bad": "import logging\n" + tool("bad", body)}) as given:
        ended = await run(given.tools("bad", "bad"), "bad")
    assert "GEMINI" not in ended.output and "PATH" in ended.output


async def test_the_kernel_keeps_the_file_rule_where_it_can() -> None:
    async with bench({"fine": FINE}) as given:
        process = await given.processes.get("fine", given.sources["fine"])
        if os.uname().sysname == "Linux" and process.loaded.kernel_confined:
            assert "NoNewPrivs:\t1" in Path(f"/proc/{process.pid}/status").read_text()


async def test_a_module_that_blocks_at_load_gives_no_tools() -> None:
    async with bench({"bad": "while True: pass\n", "good": FINE}, limits=ProcessLimits(start_timeout_s=1.0)) as given:
        bad = given.tools("bad", "bad")
        assert await bad.tools() == ()
        assert "blocks" in (await bad.faults())[0]
        assert (await run(given.tools("good", "fine"), "fine")).status == "done"


async def test_a_killed_tool_takes_its_neighbours_with_it_honestly_and_the_child_comes_back() -> None:
    source = "import asyncio\n" + tool("spin", "while True: pass") + tool("slow", "await asyncio.sleep(30)", effect="write") + FINE
    async with bench({"one": source}) as given:
        short, long = given.tools("one", "spin", timeout_s=0.3), given.tools("one", "slow", "fine", timeout_s=20)
        await long.tools()
        slow = asyncio.create_task(run(long, "slow"))
        spun = await run(short, "spin")
        crashed = await slow
        assert spun.error_code == "tool_timeout"
        assert (crashed.status, crashed.error_code) == ("unknown", "tool_crashed")
        assert (await run(long, "fine")).output == "all is well"
        assert (await run(long, "slow", request_id="r2")).error_code == "tool_outcome_unknown"
