"""The console's pure modules, imported in the browser that runs them: transcript, playout buffer, PCM, feed, routes, formats."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Page

from nexus.domain.call import EndReason
from tests.e2e.browser import browser, require_chromium
from tests.fakes.console_server import ConsoleBackend, console_server

pytestmark = pytest.mark.browser


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    require_chromium()
    with console_server(ConsoleBackend()) as base:
        async with browser() as watched:
            await watched.page.goto(base)
            yield watched.page


async def run(page: Page, module: str, body: str, argument: Any = None) -> Any:
    """Evaluate ``body`` with ``m``, the module, and ``x``, the argument."""
    return await page.evaluate(f"async (x) => {{ const m = await import(new URL('{module}', document.baseURI)); {body} }}", argument)


def said(text: str, *, item: str = "a", role: str = "agent", interrupted: bool = False) -> dict[str, Any]:
    return {"type": "transcript", "role": role, "item_id": item, "text": text, "final": True, "start_ms": 0, "interrupted": interrupted}


async def fold(page: Page, *messages: dict[str, Any]) -> Any:
    return await run(page, "call/transcript.js", "return x.reduce(m.withMessage, m.emptyTranscript).entries", list(messages))


# --- transcript --------------------------------------------------------------------------------------------------------------


async def test_later_text_replaces_and_interruption_splits_it(page: Page) -> None:
    [entry] = await fold(page, said("One."), said("One. Two three."), said("One. Two", interrupted=True))
    assert (entry["text"], entry["unheard"]) == ("One. Two", "three.")


async def test_interrupted_before_a_word_was_heard_all_is_unheard(page: Page) -> None:
    [entry] = await fold(page, said("One. Two."), said("", interrupted=True))
    assert (entry["text"], entry["unheard"]) == ("", "One. Two.")


async def test_told_twice_of_an_interruption_nothing_is_lost(page: Page) -> None:
    [entry] = await fold(page, said("One two three"), said("One two", interrupted=True), said("One two", interrupted=True))
    assert (entry["text"], entry["unheard"]) == ("One two", "three")


@pytest.mark.parametrize("early", [True, False])
async def test_latency_finds_its_answer_before_or_after_it(page: Page, early: bool) -> None:
    latency = {"type": "latency", "stages": {"e2e": 900}}
    question, answer = said("Q", item="c", role="caller"), said("A", item="b")
    order = [latency, answer] if early else [answer, latency]
    entries = await fold(page, said("Hello"), question, *order)
    assert [entry.get("stages") for entry in entries] == [None, None, {"e2e": 900}]


async def test_a_tool_runs_and_ends_on_one_line_and_the_same_tool_again_is_another(page: Page) -> None:
    running = {"type": "tool", "name": "t", "status": "running", "duration_ms": 0}
    entries = await fold(page, running, {**running, "status": "failed", "duration_ms": 7}, running)
    assert [entry["status"] for entry in entries] == ["failed", "running"]
    assert len({entry["id"] for entry in entries}) == 2


async def test_an_unknown_message_changes_nothing(page: Page) -> None:
    assert await fold(page, {"type": "from_the_future"}) == []


# --- playout -----------------------------------------------------------------------------------------------------------------

PLAYOUT = """
const b = new m.PlayoutBuffer(24000);
const ones = (n) => new Float32Array(n).fill(1);
const pull = (n = 480) => { const out = new Float32Array(n); return { ...b.pull(out), out: [...out] }; };
"""


async def test_playout_waits_for_60_ms_then_rises_without_a_step(page: Page) -> None:
    got = await run(
        page,
        "call/playout_buffer.js",
        PLAYOUT + "b.begin('a'); b.push(ones(1439)); const early = pull(); b.push(ones(1)); return [early, pull()]",
    )
    early, late = got
    assert not early["playing"] and max(early["out"]) == 0
    assert late["playing"] and late["out"][0] < 0.02 and late["out"][119] == pytest.approx(1)


async def test_a_short_item_plays_when_it_has_ended_and_reports_its_length(page: Page) -> None:
    got = await run(page, "call/playout_buffer.js", PLAYOUT + "b.begin('a'); b.push(ones(480)); b.end('a'); return pull()")
    assert got["reports"] == [{"item": "a", "played_ms": 20, "done": True}] and not got["underrun"]


async def test_an_underrun_fades_out_and_waits_again(page: Page) -> None:
    got = await run(
        page,
        "call/playout_buffer.js",
        PLAYOUT + "b.begin('a'); b.push(ones(1500)); pull(1440);" + "const end = pull(); b.push(ones(480)); return [end, pull()]",
    )
    end, after = got
    steps = [abs(one - other) for one, other in zip(end["out"], end["out"][1:], strict=False)]
    assert end["underrun"] and max(steps) < 0.02 and end["out"][-1] == 0
    assert not after["playing"]


async def test_clear_leaves_5_ms_of_fade_and_then_silence(page: Page) -> None:
    body = PLAYOUT + "b.begin('a'); b.push(ones(24000)); pull(4800); const reports = b.clear(); return [reports, pull(), pull(), b.waiting]"
    reports, first, second, waiting = await run(page, "call/playout_buffer.js", body)
    assert reports == [{"item": "a", "played_ms": 200, "done": True}] and waiting == 0
    assert 0.9 < first["out"][0] < 1 and first["out"][119] == 0 and max(first["out"][120:]) == 0
    assert max(second["out"]) == 0 and not second["playing"]


async def test_audio_after_clear_without_a_new_item_is_not_heard(page: Page) -> None:
    got = await run(
        page,
        "call/playout_buffer.js",
        PLAYOUT + "b.begin('a'); b.push(ones(4800)); b.clear(); b.push(ones(4800)); return [pull(), b.waiting]",
    )
    assert not got[0]["playing"] and got[1] == 0


# --- PCM ---------------------------------------------------------------------------------------------------------------------


async def test_pcm16_round_trips_and_clips(page: Page) -> None:
    got = await run(page, "call/pcm.js", "return [...m.fromPcm16(m.toPcm16(Float32Array.from(x)))]", [0, 0.5, -0.5, 3, -3])
    assert got == pytest.approx([0, 0.5, -0.5, 1, -1], abs=1e-4)


@pytest.mark.parametrize("from_hz", [44100, 48000])
async def test_resampling_keeps_a_tone_whatever_the_cutting_and_drops_what_would_alias(page: Page, from_hz: int) -> None:
    body = """
      const tone = (hz) => Float32Array.from({ length: x }, (_, i) => Math.sin(2 * Math.PI * hz * i / x));
      const through = (samples, cut) => { const r = new m.Resampler(x, 16000); const out = [];
        for (let i = 0; i < samples.length; i += cut) out.push(...r.push(samples.subarray(i, i + cut))); return Float32Array.from(out); };
      const [a, b] = [through(tone(440), 128), through(tone(440), 1001)];
      return { length: a.length, same: a.every((v, i) => Math.abs(v - (b[i] ?? v)) < 1e-6),
        kept: m.rms(a.subarray(100)), aliased: m.rms(through(tone(11000), 128).subarray(100)) };
    """
    got = await run(page, "call/pcm.js", body, from_hz)
    assert abs(got["length"] - 16000) < 40 and got["same"]
    assert got["kept"] == pytest.approx(0.7071, abs=0.02) and got["aliased"] < 0.03


# --- feed, routes, formats ---------------------------------------------------------------------------------------------------


async def test_the_feed_merges_pages_by_time_and_survives_a_failing_tenant(page: Page) -> None:
    body = """
      const rows = (...hours) => hours.map((hour) => ({ at: `2026-11-21T${hour}:00:00Z` }));
      const paged = { "": { data: rows("12", "09"), has_more: true, next_cursor: "p" }, p: { data: rows("08"), has_more: false } };
      const feed = new m.MergedFeed([{ id: "a", fetch: async (c) => paged[c] },
        { id: "b", fetch: async () => ({ data: rows("11"), has_more: false }) },
        { id: "c", fetch: async () => { throw new Error("down"); } }], (row) => row.at);
      const first = await feed.next(2); const open = !feed.exhausted; const rest = await feed.next(9);
      return [[...first, ...rest].map((row) => row.at.slice(11, 13)), open, feed.exhausted, feed.faults.map((fault) => fault.id)];
    """
    assert await run(page, "core/merged_feed.js", body) == [["12", "11", "09", "08"], True, True, ["c"]]


async def test_routes_round_trip_and_unknown_ones_are_the_call_page(page: Page) -> None:
    body = """
      const there = m.routeTo('sessions', ['a b', 'ü/1'], { status: 'failed', none: '' });
      return [m.parseRoute(there), m.parseRoute('#/nowhere').page, m.parseRoute('#/tenants/%E0%').params];
    """
    route, unknown, torn = await run(page, "core/routes.js", body)
    assert route == {"page": "sessions", "params": ["a b", "ü/1"], "query": {"status": "failed"}}
    assert unknown == "call" and torn == ["%E0%"]


async def test_times_are_read_as_people_say_them(page: Page) -> None:
    body = """
      return [m.clock(64000), m.clock(3723000), m.duration(640), m.duration(1240), m.duration(84000),
        m.ago('2026-11-21T10:00:00Z', Date.parse('2026-11-21T12:00:00Z'))];
    """
    assert await run(page, "core/format.js", body) == ["1:04", "1:02:03", "640 ms", "1.24 s", "1 min 24 s", "2 h ago"]


async def test_every_end_reason_of_the_product_has_words(page: Page) -> None:
    assert set(await run(page, "core/format.js", "return m.END_REASON_CODES")) == {reason.value for reason in EndReason}
