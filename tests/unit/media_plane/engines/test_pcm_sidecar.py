"""The PCM sidecar line at its socket: real loopback servers that keep the contract, stretch it and break it."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from media_plane.audio import AudioFrame, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.pcm_sidecar import PcmSidecarLimits, PcmSidecarLine
from media_plane.engines.pcm_sidecar_wire import MAX_MESSAGE_BYTES
from media_plane.ports.speech_line import LineEvent, LineLost, LineNotice, ModelAudio, ModelBrief, ModelFlush, ModelHeard, ModelText
from media_plane.streams import closing
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.pcm_sidecar_server import Script, Side, SidecarServer, sidecar_server

DEADLINE_S = 10.0
BRIEF = ModelBrief("call_1", 1, TenantConfig(tenant_id="shop", system_prompt="You are Ada."))
FRAME = CallerAudio(silence(20, 16_000))
LOUD = b"\x10\x20" * 320


def line_to(url: str, limits: PcmSidecarLimits | None = None, clock: Clock | None = None) -> PcmSidecarLine:
    return PcmSidecarLine(url, limits or PcmSidecarLimits(mute_ms=120_000), clock or Clock(speed=20))


@asynccontextmanager
async def opened(
    script: Script, limits: PcmSidecarLimits | None = None, *, buffer_bytes: int | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[PcmSidecarLine, SidecarServer]]:
    async with asyncio.timeout(DEADLINE_S), sidecar_server(script, buffer_bytes=buffer_bytes) as server:
        line = line_to(server.url, limits, clock)
        await line.open(BRIEF)
        try:
            yield line, server
        finally:
            await line.close()


def spoken(events: list[LineEvent]) -> bytes:
    """The agent's audio without the silence that only keeps time."""
    return b"".join(event.frame.pcm for event in events if isinstance(event, ModelAudio) and any(event.frame.pcm))


def told(events: list[LineEvent]) -> list[LineEvent]:
    return [event for event in events if not isinstance(event, ModelAudio)]


async def collect(line: PcmSidecarLine, done: Callable[[list[LineEvent]], bool], *, step: CallerAudio = FRAME) -> list[LineEvent]:
    """The events until ``done`` or the end; a ``step`` of the caller's audio goes in every millisecond meanwhile."""

    async def speak() -> None:
        while True:
            line.send(step)
            await asyncio.sleep(0.001)

    speaking = asyncio.create_task(speak())
    seen: list[LineEvent] = []
    try:
        async with closing(line.events()) as events:
            async for event in events:
                seen.append(event)
                if done(seen):
                    break
        return seen
    finally:
        speaking.cancel()


async def until_lost(line: PcmSidecarLine) -> list[LineEvent]:
    return await collect(line, lambda seen: False)


async def until(line: PcmSidecarLine, wanted: type[LineEvent]) -> list[LineEvent]:
    seen = await collect(line, lambda seen: isinstance(seen[-1], wanted))
    assert isinstance(seen[-1], wanted), f"no {wanted.__name__} in {told(seen)}"
    return seen


async def until_spoken(line: PcmSidecarLine, size_bytes: int) -> list[LineEvent]:
    seen = await collect(line, lambda seen: len(spoken(seen)) >= size_bytes)
    assert len(spoken(seen)) >= size_bytes, f"only {len(spoken(seen))} bytes and {told(seen)}"
    return seen


async def lost_by(
    script: Script, limits: PcmSidecarLimits | None = None, *, buffer_bytes: int | None = None
) -> tuple[LineLost, list[LineEvent]]:
    async with opened(script, limits, buffer_bytes=buffer_bytes) as (line, _):
        *before, last = await until_lost(line)
        assert isinstance(last, LineLost), last
        assert await line.close() is False, "a lost line confirms nothing"
        return last, before


# --- open --------------------------------------------------------------------------------------------------------------------


async def test_the_first_message_tells_the_brief_and_audio_flows_after_ready() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(1_280)
        await side.give(LOUD)
        await side.listen()

    async with opened(script) as (line, server):
        said = b"\x01\x02" * 320 + b"\x03\x04" * 77
        line.send(CallerAudio(AudioFrame(said[:640], 16_000)))
        line.send(CallerAudio(AudioFrame(said[640:], 16_000)))
        assert spoken(await until_spoken(line, len(LOUD))) == LOUD
        start = server.sides[0].start
        assert bytes(server.sides[0].fed).startswith(said)
        assert (start["type"], start["version"], start["call_id"], start["generation"]) == ("session.start", 1, "call_1", 1)
        assert start["system_prompt"] == "You are Ada."
        assert start["audio"] == {"codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1}


@pytest.mark.parametrize("promised", [True, False, None])
async def test_who_transcribes_is_known_after_open(promised: bool | None) -> None:
    async def script(side: Side) -> None:
        await side.accept(**({} if promised is None else {"transcripts": promised}))
        await side.listen()

    async with opened(script) as (line, _):
        assert line.gives_transcripts is bool(promised)
        line.send(CallerAudio(silence(500, 16_000)))
        async with closing(line.events()) as events:
            first = await anext(events)
        assert (first == ModelHeard("")) is bool(promised), "a promise comes before everything else"


async def refusal(script: Script) -> UpstreamError:
    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        return await refusal_at(server.url)


async def refusal_at(url: str) -> UpstreamError:
    line = line_to(url)
    with pytest.raises(UpstreamError) as caught:
        await line.open(BRIEF)
    assert caught.value.code == "engine_unreachable"
    assert [event async for event in line.events()] == []
    line.send(FRAME)
    await line.close()
    return caught.value


async def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "start it" in (await refusal_at(f"ws://127.0.0.1:{port}/v1/audio-stream")).public_message


@pytest.mark.parametrize("address", ["", "localhost:9000", "http://localhost:9000/v1/audio-stream", "ws://localhost:99999/", "ws://[::1/"])
async def test_what_is_no_address_says_how_one_looks(address: str) -> None:
    assert "ws://localhost:9000/v1/audio-stream" in (await refusal_at(address)).public_message


async def test_what_is_no_websocket_is_told_apart() -> None:
    async def silly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async with await asyncio.start_server(silly, "127.0.0.1", 0) as server:
        error = await refusal_at(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert "speaks no WebSocket" in error.public_message


async def test_a_wrong_path_is_named() -> None:
    async def not_found(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(not_found, "127.0.0.1", 0) as server:
        error = await refusal_at(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert "404" in error.public_message
    assert "/v1/audio-stream" in error.public_message


async def test_a_refusal_carries_the_sidecars_words_on_one_short_line() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.tell("error", code="no_gpu", message="all\ntaken\x1b[31m" + "!" * 1_000)
        await side.listen()

    message = (await refusal(script)).public_message
    assert "no_gpu: all" in message
    assert message.isprintable()
    assert len(message) < 400


async def test_a_close_before_ready_is_told_with_its_code() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.connection.close(1013, "come back later")

    assert "1013: 'come back later'" in (await refusal(script)).public_message


async def test_a_redirect_is_not_followed() -> None:
    async def never(side: Side) -> None:
        raise AssertionError("the caller was led elsewhere")

    async with sidecar_server(never) as other, asyncio.timeout(DEADLINE_S):

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {other.url}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            line = line_to(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/audio-stream")
            with pytest.raises(UpstreamError, match="307"):
                await line.open(BRIEF)
            await line.close()


async def test_another_version_is_refused() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.tell("session.ready", version=2)
        await side.listen()

    assert "version 2" in (await refusal(script)).public_message


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_secrets_of_the_address_are_neither_told_nor_logged(caplog: pytest.LogCaptureFixture, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with caplog.at_level(logging.DEBUG):
        error = await refusal_at(f"{scheme}://ada:hunter2@127.0.0.1:{port}/v1/audio-stream?token=s3cret")
    shown = caplog.text + "".join(traceback.format_exception(error))
    assert not any(secret in shown for secret in ("hunter2", "s3cret"))
    assert scheme == "http" or f"ws://127.0.0.1:{port}/v1/audio-stream" in caplog.text


async def test_what_is_not_understood_before_ready_is_survived_and_told() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.give(LOUD)
        await side.connection.send("{not json")
        await side.tell("hello", from_="a later version")
        await side.tell("session.ready")
        await side.give(LOUD * 2)
        await side.listen()

    async with opened(script) as (line, _):
        seen = await until_spoken(line, len(LOUD) * 2)
        assert spoken(seen) == LOUD * 2, "audio before session.ready is left out"
        assert [event.code for event in told(seen) if isinstance(event, LineNotice)] == ["message_invalid", "message_not_json"]


async def test_a_cancelled_open_leaves_no_connection() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.listen()

    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        line = line_to(server.url)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await line.open(BRIEF)
        await line.close()
        await server.over.wait()


# --- what it says ------------------------------------------------------------------------------------------------------------


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


# --- what it is fed ----------------------------------------------------------------------------------------------------------


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


# --- how it ends -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
async def test_any_close_that_was_not_asked_for_is_a_loss(code: int) -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        await side.give(LOUD)
        await side.connection.close(code, "bye")

    last, before = await lost_by(script)
    assert last.code == "engine_lost"
    assert f"{code}: 'bye'" in last.message
    assert spoken(before) == LOUD


async def test_a_reset_connection_is_a_loss() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        wire = side.connection.transport.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.connection.transport.abort()

    last, _ = await lost_by(script)
    assert (last.code, "broke" in last.message) == ("engine_lost", True)


async def test_a_message_beyond_the_limit_is_a_loss_that_names_the_limit() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.give(bytes(MAX_MESSAGE_BYTES))
        await side.give(bytes(MAX_MESSAGE_BYTES + 1))
        await side.listen()

    last, _ = await lost_by(script)
    assert last.code == "engine_lost"
    assert "1009" in last.message


async def test_fed_and_mute_is_a_loss_even_if_the_library_answers_pings() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    last, _ = await lost_by(script, PcmSidecarLimits(mute_ms=2_000))
    assert last.code == "engine_mute"


async def test_keepalive_is_enough_to_be_alive() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        for heard in range(1, 13):
            await side.hear(heard * 32_000)
            await side.tell("keepalive")
        await side.tell("error", message="end")

    last, _ = await lost_by(script, PcmSidecarLimits(mute_ms=8_000))
    assert last.code == "engine_lost", "twelve seconds of nothing but keepalive"


async def test_a_server_that_stops_reading_loses_old_audio_first_and_then_the_call() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        while True:
            await side.tell("keepalive")  # alive by its own account, but deaf
            await asyncio.sleep(0.005)

    last, before = await lost_by(script, PcmSidecarLimits(dropped_ms=1_000), buffer_bytes=4_096)
    assert last.code == "engine_lagging"
    assert [event.code for event in told(before) if isinstance(event, LineNotice)] == ["engine_lagging"]


# --- close -------------------------------------------------------------------------------------------------------------------


async def test_close_is_confirmed_by_the_server_and_ends_the_events_in_silence() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        await side.listen()

    async with opened(script) as (line, server):
        reading = asyncio.create_task(until_lost(line))
        line.send(FRAME)
        await asyncio.sleep(0)
        assert await line.close() is True
        assert told(await reading) == []
        await server.over.wait()
        assert server.sides[0].connection.close_code == 1000
        assert await line.close() is True, "again is silent"
        line.send(FRAME)
        assert [event async for event in line.events()] == []


async def test_close_is_confirmed_although_nobody_read_what_was_sent() -> None:
    async def script(side: Side) -> None:
        await side.accept()
        for _ in range(400):
            await side.tell("keepalive")
            await side.give(LOUD)
        await side.listen()

    async with opened(script) as (line, _):
        assert await line.close() is True


async def test_close_does_not_wait_longer_than_its_deadline_for_a_dead_server() -> None:
    hanging = asyncio.Event()

    async def script(side: Side) -> None:
        await side.accept()
        await side.hear(640)
        side.connection.transport.pause_reading()
        await hanging.wait()

    async with opened(script, PcmSidecarLimits(close_ms=200), buffer_bytes=4_096) as (line, _):
        for _ in range(200):
            line.send(FRAME)
            await asyncio.sleep(0)
        began = asyncio.get_running_loop().time()
        assert await line.close() is False
        assert asyncio.get_running_loop().time() - began < 2.0
        hanging.set()


async def test_closed_while_it_opens_it_is_not_open() -> None:
    async def script(side: Side) -> None:
        await side.take_start()
        await side.listen()

    async with asyncio.timeout(DEADLINE_S), sidecar_server(script) as server:
        for yields in (0, 200):  # before it is connected, and while session.ready is waited for
            line = line_to(server.url)
            opening = asyncio.create_task(line.open(BRIEF))
            while yields and not server.sides:  # noqa: ASYNC110 - the server's side is another task on this loop
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)
            await line.close()
            with pytest.raises(UpstreamError):
                await opening
            await server.over.wait()
            server.over.clear()
            server.sides.clear()


async def test_close_of_a_line_that_was_never_opened() -> None:
    assert await line_to("ws://127.0.0.1:1/").close() is False


async def test_a_cancelled_close_lets_the_connection_go() -> None:
    gone = asyncio.Event()

    async def script(side: Side) -> None:
        await side.accept()
        side.connection.transport.pause_reading()
        await gone.wait()

    async with opened(script, PcmSidecarLimits(close_ms=60_000)) as (line, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await line.close()
        server.sides[0].connection.transport.resume_reading()
        await server.sides[0].connection.wait_closed()
        gone.set()
