"""What goes both ways over an open PCM sidecar line: words, audio, clears, garbage, and the caller's own pace."""

from __future__ import annotations

import asyncio

import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import LineLost, LineNotice, ModelAudio, ModelFlush, ModelHeard, ModelText
from media_plane.streams import closing
from nexus.clock import Clock
from tests.fakes.pcm_line import (
    FRAME,
    LOUD,
    collect,
    lost_by,
    opened,
    spoken,
    told,
    until,
    until_spoken,
)
from tests.fakes.pcm_sidecar_server import Side


async def test_words_and_events_mean_what_the_contract_says() -> None:
    async def script(side: Side) -> None:
        await side.accept(transcripts=True)
        await side.tell("transcript", role="caller", text="I would", final=False)
        await side.tell("transcript", role="caller", text=" I would like a room. ", final=True)
        await side.tell("transcript", role="agent", text="Of ")
        await side.tell("transcript", role="agent", text="course\x07.", extra=1)
        await side.tell("transcript", role="agent", text="")
        await side.tell("mood", happy=True)
        await side.tell("keepalive")
        await side.tell("error", code="gpu", message="hot", fatal=False)
        await side.hear(6_400)
        await side.tell("audio.clear")
        await side.tell("error", code="gpu", message="molten")

    last, before = await lost_by(script)
    assert last == LineLost("engine_lost", "The sidecar gave up (gpu: molten); its own log says more")
    seen = told(before)
    words = [event for event in seen if isinstance(event, ModelText)]
    assert words == [ModelText("Of "), ModelText("course .")]
    assert [event for event in seen if event not in words] == [
        ModelHeard(""),
        ModelHeard("I would like a room."),
        LineNotice("model_failed", "The sidecar reports: gpu: hot"),
        ModelFlush(),
    ]


async def test_a_caller_transcript_that_was_not_promised_does_not_count_twice() -> None:
    async def script(side: Side) -> None:
        await side.accept(transcripts=False)
        await side.tell("transcript", role="caller", text="Hello", final=True)
        await side.tell("audio.clear")
        await side.listen()

    async with opened(script) as (line, _):
        assert told(await until(line, ModelFlush)) == [ModelFlush()]


async def test_half_samples_are_joined_whatever_the_cut() -> None:
    pcm = bytes(range(1, 251)) * 8

    async def script(side: Side) -> None:
        await side.accept()
        for at in range(0, len(pcm), 333):
            await side.give(pcm[at : at + 333])
        await side.give(b"")
        await side.listen()

    async with opened(script) as (line, _):
        seen = await until_spoken(line, len(pcm))
    assert spoken(seen) == pcm
    assert all(len(event.frame.pcm) % 2 == 0 for event in seen if isinstance(event, ModelAudio))


async def test_a_clear_begins_a_new_stream_half_a_sample_before_it_is_forgotten() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.give(b"\x05")
        await side.tell("audio.clear")
        await side.give(b"\x07")
        await side.give(b"\x08\x09")
        await side.listen()

    async with opened(script) as (line, _):
        assert spoken(await until_spoken(line, 2)) == b"\x07\x08"


async def test_garbage_is_told_at_the_first_time_and_each_doubling_and_the_line_lives_on() -> None:
    nested = "[" * 100_000
    garbage = [
        "",
        "{",
        "[]",
        '"session.ready"',
        '{"type":1}',
        '{"type":"transcript"}',
        "null",
        '{"type":"transcript","role":"boss","text":"x"}',
        nested,
    ]

    async def script(side: Side) -> None:
        await side.accept()
        for text in garbage:
            await side.connection.send(text)
        await side.tell("audio.clear")
        await side.listen()

    async with opened(script) as (line, _):
        notices = [event for event in await until(line, ModelFlush) if isinstance(event, LineNotice)]
    assert len(notices) == 4, "of 8 faults the 1st, 2nd, 4th and 8th"
    assert {notice.code for notice in notices} == {"message_not_json", "message_invalid"}


async def test_endless_words_in_one_message_are_refused() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.tell("transcript", role="agent", text="la " * 100_000)
        await side.tell("audio.clear")
        await side.listen()

    async with opened(script) as (line, _):
        first, second = told(await until(line, ModelFlush))
        assert isinstance(first, LineNotice)
        assert second == ModelFlush()


async def test_a_burst_is_given_in_step_with_the_caller_and_words_keep_their_place() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.tell("transcript", role="agent", text="One ")
        await side.give(LOUD * 25)
        await side.tell("transcript", role="agent", text="two.")
        await side.give(LOUD * 25)
        await side.listen()

    async with opened(script) as (line, server):
        seen = await until_spoken(line, len(LOUD) * 50)
        first, second = seen.index(ModelText("One ")), seen.index(ModelText("two."))
        assert spoken(seen[:first]) == b""
        assert len(spoken(seen[:second])) == len(LOUD) * 25
        fed_ms = (len(server.sides[0].fed) + 64_000) / 32  # two seconds for what is still on the way
        assert fed_ms >= 880, "a second of speech takes the caller nearly a second"


async def test_a_clear_forgets_what_was_held_back() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.give(LOUD * 500)
        await side.tell("audio.clear")
        await side.give(b"\x77\x77")
        await side.listen()

    async with opened(script) as (line, _):
        seen = await collect(line, lambda seen: spoken(seen[-1:]) == b"\x77\x77")
    assert ModelFlush() in seen
    assert spoken(seen[seen.index(ModelFlush()) :]) == b"\x77\x77"
    assert len(spoken(seen)) < len(LOUD) * 400


async def test_a_sidecar_with_nothing_to_say_gives_silence_in_the_callers_time() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    async with opened(script) as (line, _):
        line.send(CallerAudio(silence(500, 16_000)))
        async with closing(line.events()) as events:
            event = await anext(events)
    assert event == ModelAudio(silence(300, 16_000)), "up to 200 ms behind the 500 ms of the caller"


async def test_more_than_a_minute_of_speech_ahead_is_left_out_and_told() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        for _ in range(10):
            await side.give(LOUD * 400)  # eighty seconds at once
        await side.listen()

    async with opened(script) as (line, _):
        seen = await until(line, LineNotice)
        assert "a minute ahead" in str(told(seen))


async def test_where_the_caller_stops_sending_silence_stands_in() -> None:
    enough = asyncio.Event()

    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640 + 32_000)
        enough.set()
        await side.listen()

    async with opened(script) as (line, server):
        line.send(CallerAudio(AudioFrame(LOUD, 16_000)))
        await enough.wait()
        assert bytes(server.sides[0].fed[:640]) == LOUD
        assert not any(server.sides[0].fed[640:])


async def test_before_the_first_audio_nothing_is_made_up() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await side.hear(1)
        await side.tell("error", message="nothing came")

    async with opened(script) as (line, _):
        (last,) = [event async for event in line.events()]
        assert isinstance(last, LineLost)
        assert "nothing came" in last.message


@pytest.mark.parametrize(("voiced", "told_codes", "most_fed_ms"), [(True, ["audio_dropped"], 1_000), (False, [], 700)])
async def test_faster_than_real_time_is_left_out_silence_without_a_word(voiced: bool, told_codes: list[str], most_fed_ms: int) -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    piece = CallerAudio(AudioFrame(LOUD, 16_000)) if voiced else FRAME
    async with opened(script, clock=Clock()) as (line, server):
        for _ in range(250):
            line.send(piece)
        assert 5_000 - most_fed_ms < line.dropped_ms < 5_000
        async with closing(line.events()) as events:
            seen = [await anext(events) for _ in range(2)] if voiced else [await anext(events)]
        assert [event.code for event in told(seen) if isinstance(event, LineNotice)] == told_codes
        assert await line.close() is True
        await server.over.wait()
        assert len(server.sides[0].fed) < 32 * most_fed_ms
