"""Every hazard of the genuine server that a client can meet, one test each, against the double of ``local.sidecar``.

The double is built on the genuine server's own libraries and shares no code with the line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import opuslib_next
import pytest

from local.sidecar.options import Faults, Mode, SidecarOptions
from local.sidecar.server import Sidecar
from media_plane.audio import AudioFrame
from media_plane.codecs.resample import Resampler
from media_plane.conversation.commands import CallerAudio
from media_plane.engines.personaplex.line import LineSettings, PersonaPlexLine
from media_plane.ports.speech_line import ModelAudio, ModelBrief
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import UpstreamError
from tests.fakes.line_talk import BRIEF, LOUD, QUIET, Talk, talk
from tests.fakes.webm_bytes import likeness, opus_packets, speech

SPEED = 4.0


@asynccontextmanager
async def double(
    mode: Mode = "silent", *, speed: float = SPEED, pieces: tuple[str, ...] = (), setup_s: float = 0.05, **faults: object
) -> AsyncIterator[tuple[Sidecar, Clock]]:
    """A double with these faults, and the clock that both sides go by."""
    clock = Clock(speed)
    options = SidecarOptions(mode=mode, setup_s=setup_s, echo_pieces=pieces, faults=Faults(**faults))  # type: ignore[arg-type]
    async with Sidecar(options, clock=clock) as sidecar:
        yield sidecar, clock


def line_to(sidecar: Sidecar, clock: Clock, **settings: float) -> PersonaPlexLine:
    return PersonaPlexLine(sidecar.url, LineSettings(**{"close_wait_s": 2.0, **settings}), clock)  # type: ignore[arg-type]


@asynccontextmanager
async def talking_to(sidecar: Sidecar, clock: Clock, **settings: float) -> AsyncIterator[tuple[Talk, PersonaPlexLine]]:
    line = line_to(sidecar, clock, **settings)
    async with talk(line, clock) as talking:
        yield talking, line


def heard(sidecar: Sidecar, session: int = 0) -> bytes:
    """What the double's decoder made of the caller, at 16 kHz."""
    return Resampler(24_000, 16_000).feed(AudioFrame(bytes(sidecar.sessions[session].heard), 24_000)).pcm


# --- beginning ---------------------------------------------------------------------------------------------------------------


async def test_prompt_and_voice_reach_the_model_as_composed() -> None:
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock):
            pass
        [session] = sidecar.sessions
        assert session.used_prompt.startswith("You work for Fine Cuts. You cannot book")
        assert (session.used_voice, session.leaked) == ("NATM1.pt", False)


async def test_the_longest_prompt_that_can_be_set_is_taken_by_the_server() -> None:
    config = TenantConfig(tenant_id="fine_cuts", system_prompt="Sei höflich, grüße! " * 800, knowledge_base=["ä" * 40] * 200)
    async with double() as (sidecar, clock):
        async with talk(line_to(sidecar, clock, prompt_bytes=6_500), clock, ModelBrief("call_1", 1, config)):
            pass
        assert sidecar.sessions[0].used_prompt.startswith("Sei höflich, grüße!")
        assert "ä" * 40 in sidecar.sessions[0].used_prompt


async def test_audio_before_the_handshake_is_dropped_here_because_the_server_would_lose_the_streams_head() -> None:
    async with double("echo", setup_s=0.4) as (sidecar, clock):
        line = line_to(sidecar, clock)
        opening = asyncio.create_task(line.open(BRIEF))
        while not sidecar.sessions:
            line.send(LOUD)
            await asyncio.sleep(0)
        await opening
        assert line.facts.early_ms > 0
        async with asyncio.TaskGroup() as group:
            talking = Talk(line, clock)
            group.create_task(talking.listen())
            await talking.speak(800)
            await talking.until(lambda: talking.heard_ms >= 640)
            assert await line.close()
        assert sidecar.sessions[0].ended == "closed", "not deaf"


@pytest.mark.parametrize("what", ["an unknown voice", "a crash in the set-up"])
async def test_a_session_refused_after_the_upgrade_is_told_with_what_to_look_at(what: str) -> None:
    async with double(refuse_handshake=True) as (sidecar, clock):
        line = line_to(sidecar, clock)
        with pytest.raises(UpstreamError, match=r"1006.*voice") as fault:
            await line.open(BRIEF)
        assert fault.value.code == "engine_unreachable", what
        await line.close()


async def test_a_set_up_that_never_ends_is_left_and_the_server_is_free_again() -> None:
    async with double(never_handshake=True) as (sidecar, clock):
        line = line_to(sidecar, clock)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await line.open(BRIEF)
        await line.close()
        await sidecar.idle()
        assert not sidecar.busy


async def test_waiting_in_the_servers_queue_is_silent_and_leaving_it_is_not_answered_but_certain() -> None:
    async with double() as (sidecar, clock), talking_to(sidecar, clock) as (_, _first):
        queued = line_to(sidecar, clock, close_wait_s=0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await queued.open(BRIEF)
        begin = time.monotonic()
        assert await queued.close() is False
        assert time.monotonic() - begin < 1.0
        assert sidecar.busy, "the first session goes on"
    await sidecar.idle()


async def test_a_line_makes_exactly_one_connection_because_prompts_leak_between_two() -> None:
    async with double() as (sidecar, clock):
        for _ in range(3):
            async with talking_to(sidecar, clock) as (talking, _):
                await talking.speak(200)
            await sidecar.idle()
        assert len(sidecar.sessions) == 3
        assert sidecar.most_open == 1
        assert not any(session.leaked for session in sidecar.sessions)


# --- the model's clock -------------------------------------------------------------------------------------------------------


async def test_before_the_first_audio_nothing_is_sent_and_the_model_stands_still() -> None:
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, _):
            await clock.sleep_ms(1_000)
            assert talking.events == []
        assert sidecar.sessions[0].frames_in == 0


async def test_when_the_caller_falls_silent_on_the_wire_silence_stands_in_and_the_model_goes_on() -> None:
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, line):
            await talking.speak(400)
            await talking.until(lambda: talking.heard_ms >= 2_000)
            assert line.facts.filled_ms >= 1_000
        assert talking.lost is None


async def test_ten_seconds_in_one_burst_do_not_run_ahead() -> None:
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, line):
            for _ in range(500):
                line.send(LOUD)
            await talking.until(lambda: talking.notices == ["audio_dropped"])
            assert line.facts.dropped_ms >= 9_000
        assert sidecar.sessions[0].frames_in <= 8


async def test_the_model_hears_what_was_said_and_says_what_we_hear() -> None:
    """Bare audio, encoded here, decoded by sphn; echoed by sphn, decoded here."""
    pcm = speech()
    async with double("echo", speed=2.0) as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, _):
            for at in range(0, len(pcm), 640):
                await talking.speak(20, CallerAudio(AudioFrame(pcm[at : at + 640], 16_000)))
            await talking.until(lambda: talking.heard_ms >= len(pcm) / 32)
        said = b"".join(event.frame.pcm for event in talking.events if isinstance(event, ModelAudio))
    assert likeness(pcm, heard(sidecar), 1_600) > 0.9
    echo = Resampler(24_000, 16_000).feed(AudioFrame(said, 24_000)).pcm
    assert likeness(pcm, echo[2 * 1_280 :], 2_400) > 0.85, "one frame later"


async def test_the_callers_own_packets_reach_the_model_untouched() -> None:
    pcm = speech()
    packets = opus_packets(pcm)
    async with double("echo", speed=2.0) as (sidecar, clock), talking_to(sidecar, clock) as (talking, _):
        for number in range(0, len(packets) - 3, 3):
            frame = AudioFrame(pcm[number * 640 : (number + 3) * 640], 16_000)
            await talking.speak(60, CallerAudio(frame, tuple(packets[number : number + 3])))
        await talking.until(lambda: talking.heard_ms >= len(pcm) / 32)
    assert likeness(pcm, heard(sidecar), 1_600) > 0.9


async def test_packets_and_bare_audio_mixed_stay_one_stream_for_the_server() -> None:
    packets = opus_packets(bytes(640 * 40))
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, _):
            for number, packet in enumerate(packets):
                await talking.speak(20, LOUD if number % 3 else CallerAudio(LOUD.frame, (packet,)))
                await talking.speak(13, CallerAudio(AudioFrame(LOUD.frame.pcm[:416], 16_000)))
            await talking.until(lambda: talking.heard_ms >= talking.given_ms - 200)
        assert sidecar.sessions[0].ended == "closed", "not deaf"
        assert talking.lost is None


async def test_long_packets_as_chromium_records_them_are_taken() -> None:
    """60 ms, stereo, 128 kbit/s: code 3 packets of a kilobyte, repaged as they are."""
    samples = np.random.default_rng(1).integers(-3_000, 3_000, 960).astype("<i2").tobytes()
    encoder = opuslib_next.Encoder(16_000, 2, opuslib_next.APPLICATION_AUDIO)
    packet = encoder.encode(bytes(np.repeat(np.frombuffer(samples, "<i2"), 2).tobytes()), 960)
    audio = CallerAudio(AudioFrame(samples, 16_000), (packet,))
    async with double() as (sidecar, clock), talking_to(sidecar, clock) as (talking, _):
        await talking.speak(1_200, audio)
        await talking.until(lambda: talking.heard_ms >= 1_040)
        assert talking.lost is None


async def test_packets_of_a_browser_that_saves_silence_are_taken() -> None:
    """Discontinuous transmission: packets of one byte that only say how long nothing was."""
    audio = CallerAudio(AudioFrame(LOUD.frame.pcm, 16_000), (b"\x78",))
    async with double() as (sidecar, clock):
        async with talking_to(sidecar, clock) as (talking, _):
            for _ in range(20):
                await talking.speak(40, audio)
                await talking.speak(20)
            await talking.until(lambda: talking.heard_ms >= 960)
        assert sidecar.sessions[0].ended == "closed", "not deaf"
    assert len(sidecar.sessions[0].heard) >= 960 * 48


# --- the model's words -------------------------------------------------------------------------------------------------------


async def test_pieces_join_to_words_and_bytes_to_characters() -> None:
    pieces = (" Caf", "<0xC3>", "<0xA9>", " costs", " 3", "<0xE2>", "<0x82>", "<0xAC>", ".")
    async with double("echo", pieces=pieces) as (sidecar, clock), talking_to(sidecar, clock) as (talking, _):
        await talking.speak(3 * 80 * (len(pieces) + 1))
        await talking.until(lambda: talking.words == " Café costs 3€.")


# --- faults ------------------------------------------------------------------------------------------------------------------


async def test_an_exception_of_the_model_closes_with_1000_and_is_a_loss() -> None:
    async with double(fail_after_frames=3) as (sidecar, clock), talking_to(sidecar, clock) as (talking, line):
        await talking.speak(2_000)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_lost" and "code 1000" in lost.message
        assert talking.heard_ms == 240
        assert await line.close() is True, "the server has closed properly"


async def test_a_dead_process_is_a_loss_at_once() -> None:
    async with double(drop_after_frames=3) as (sidecar, clock), talking_to(sidecar, clock) as (talking, line):
        await talking.speak(2_000)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_lost" and "code 1006" in lost.message
        assert await line.close() is False


@pytest.mark.parametrize("fault", ["hang_after_frames", "half_open_after_frames"])
@pytest.mark.parametrize("audio", [LOUD, QUIET], ids=["speech", "silence"])
async def test_a_hanging_model_is_given_up_as_mute(fault: str, audio: CallerAudio) -> None:
    faults: dict[str, Any] = {fault: 5}
    async with (
        double(speed=10, **faults) as (sidecar, clock),
        talking_to(sidecar, clock, close_wait_s=0.3, lag_limit_s=60.0) as (talking, line),
    ):
        begin_ms = clock.monotonic_ms()
        await talking.speak(12_000, audio)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_mute"
        assert 5_000 < clock.monotonic_ms() - begin_ms < 9_000
        assert talking.heard_ms == 400
        assert await line.close() is (fault == "hang_after_frames")


async def test_a_model_that_steps_and_says_nothing_is_given_up_as_mute() -> None:
    async with double(speed=10, mute=True) as (sidecar, clock), talking_to(sidecar, clock, lag_limit_s=60.0) as (talking, _):
        await talking.speak(10_000)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_mute"


async def test_a_slow_gpu_is_spared_silence_and_catches_up() -> None:
    """130 ms for each 80: the debt grows while the caller talks and shrinks while he is silent."""
    async with double(slow_ms=130) as (sidecar, clock), talking_to(sidecar, clock) as (talking, line):
        await talking.speak(2_400)
        await talking.speak(4_000, QUIET)
        assert line.facts.held_ms > 800
        assert line.facts.filled_ms < 600, "what was left out is not missing"
        assert talking.lost is None
        assert line.facts.dropped_ms == 0
        assert "engine_lagging" in talking.notices
        sent_ms = talking.given_ms + line.facts.filled_ms - line.facts.held_ms
        await talking.until(lambda: talking.heard_ms >= sent_ms - 1_200)


async def test_a_gpu_that_never_keeps_up_is_given_up() -> None:
    async with double(slow_ms=200) as (sidecar, clock), talking_to(sidecar, clock, lag_limit_s=1.0) as (talking, _):
        await talking.speak(12_000)
        lost = await talking.end()
        assert lost is not None and lost.code == "engine_lagging" and "GPU" in lost.message


async def test_a_broken_page_of_the_server_is_concealed_and_told_once() -> None:
    async with double("echo", corrupt_page=4) as (sidecar, clock), talking_to(sidecar, clock) as (talking, _):
        await talking.speak(1_600)
        await talking.until(lambda: talking.heard_ms >= 1_200)
        assert talking.notices.count("audio_corrupt") == 1
        assert talking.lost is None


# --- ending ------------------------------------------------------------------------------------------------------------------


async def test_closing_in_a_session_is_answered_and_the_next_caller_gets_the_model() -> None:
    async with double() as (sidecar, clock):
        for _ in range(2):
            async with talking_to(sidecar, clock) as (talking, line):
                await talking.speak(240)
                begin = time.monotonic()
                assert await line.close() is True
                assert time.monotonic() - begin < 1.0
        assert [session.ended for session in sidecar.sessions] == ["closed", "closed"]
        await sidecar.idle()
        assert not sidecar.busy


async def test_closing_while_the_model_sets_up_is_noticed_by_it() -> None:
    async with double(setup_s=60) as (sidecar, clock):
        line = line_to(sidecar, clock)
        opening = asyncio.create_task(line.open(BRIEF))
        while not sidecar.busy:  # noqa: ASYNC110 - the double tells it in no other way
            await asyncio.sleep(0)
        closing = asyncio.create_task(line.close())
        with pytest.raises(UpstreamError):
            await opening
        await closing
        await sidecar.idle()
        assert not sidecar.busy
