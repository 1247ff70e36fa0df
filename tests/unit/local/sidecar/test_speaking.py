"""A double with a voice: its lines come at their frames, it answers turns, and it stops for the caller; ear and voice made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest

from local.sidecar.options import Line, SidecarOptions
from local.sidecar.server import Sidecar
from local.sidecar.speaking import Speech
from media_plane.audio import AudioFrame
from media_plane.ports.speech import Transcription
from nexus.errors import UpstreamError
from tests.fakes.sidecar_client import Client, connected, sound_of, talking, tone

_MS_A_CHARACTER = 50


class _Voice:
    """A tone of 50 ms for each character."""

    async def warm_up(self) -> None: ...

    async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
        if text == "fail":
            raise UpstreamError("speech_failed", "The voice is hoarse")
        at = np.arange(len(text) * _MS_A_CHARACTER * 16) / 16_000
        yield AudioFrame((8000 * np.sin(2 * np.pi * 300 * at)).astype("<i2").tobytes(), 16_000)


class _Ear:
    """Understands the next of its texts, whatever is said."""

    def __init__(self, *texts: str) -> None:
        self._texts = list(texts)
        self.heard: list[AudioFrame] = []

    async def warm_up(self) -> None: ...

    async def transcribe(self, speech: AudioFrame, *, language: str, hint: str = "") -> Transcription:
        self.heard.append(speech)
        if not self._texts:
            raise UpstreamError("speech_failed", "The ear is deaf")
        return Transcription(self._texts.pop(0), 0.9)


def _double(options: SidecarOptions, *texts: str) -> tuple[Sidecar, _Ear]:
    ear = _Ear(*texts)
    return Sidecar(options, speech=Speech(ear, _Voice())), ear


async def _frames(client: Client, pattern: str) -> list[bool]:
    """Send loud (#) and quiet (.) frames one by one; for each, whether the model was audible in the frame that came back."""
    pages: list[bytes] = []
    for mark in pattern:
        await client.speak(tone() if mark == "#" else None)
        pages += await client.pages(1)
    levels = np.sqrt((sound_of(pages).reshape(-1, 1920) ** 2).mean(axis=1))
    return [bool(level > 0.02) for level in levels]


async def _until_said(client: Client, sidecar: Sidecar) -> str:
    """Silence until a whole sentence has come."""
    for _ in range(300):
        await client.speak()
        await client.pages(1)
        if client.text.endswith((".", "?", "!")):
            return client.text
        await asyncio.sleep(0.002)
    raise AssertionError(f"nothing said: {client.text!r}, understood {sidecar.sessions[0].transcripts}")


async def test_say_begins_with_the_first_frame_and_goes_on_whatever_the_caller_does() -> None:
    sidecar, _ = _double(SidecarOptions(mode="say", setup_s=0.0, script=(Line("A" * 8),)))
    async with sidecar, talking(sidecar.url) as client:
        audible = await _frames(client, "#####....")
        assert audible[:5] == [True] * 5 and not any(audible[6:])
        assert client.text == " AAAAAAAA"


async def test_say_keeps_to_the_frames_of_its_script() -> None:
    sidecar, _ = _double(SidecarOptions(mode="say", setup_s=0.0, script=(Line("late", 12), Line("early", 2))))
    async with sidecar, talking(sidecar.url) as client:
        audible = await _frames(client, "." * 18)
        assert audible.index(True) == 2 and not any(audible[7:12]) and audible[12]
        assert client.text == " early late"


async def test_converse_answers_the_turn_it_understood() -> None:
    sidecar, ear = _double(SidecarOptions(setup_s=0.0), "Can I book a haircut?")
    async with sidecar, talking(sidecar.url) as client:
        assert not any(await _frames(client, "..######" + "." * 7))
        assert await _until_said(client, sidecar) == " Sure, what day would you like?"
        assert sidecar.sessions[0].transcripts == ["Can I book a haircut?"]
    [turn] = ear.heard
    assert turn.sample_rate_hz == 16_000
    assert turn.duration_ms == pytest.approx((2 + 6 + 7) * 80, abs=80)


async def test_converse_stops_within_two_frames_of_the_callers_talk_and_does_not_go_on_afterwards() -> None:
    sidecar, _ = _double(SidecarOptions(setup_s=0.0, script=(Line("A" * 60),)), "")
    async with sidecar, talking(sidecar.url) as client:
        audible = await _frames(client, ".....#####" + "." * 10)
        assert all(audible[:5]) and not any(audible[8:]), audible


async def test_converse_says_a_false_confirmation_where_it_is_told_to() -> None:
    options = SidecarOptions(setup_s=0.0, claims=("You're all booked for three o'clock.",))
    sidecar, _ = _double(options, "Book me in tomorrow.")
    async with sidecar, talking(sidecar.url) as client:
        await _frames(client, "####" + "." * 7)
        assert await _until_said(client, sidecar) == " You're all booked for three o'clock."


async def test_an_ear_that_fails_leaves_it_silent_and_alive() -> None:
    sidecar, ear = _double(SidecarOptions(setup_s=0.0))
    async with sidecar, talking(sidecar.url) as client:
        assert not any(await _frames(client, "####" + "." * 20))
        assert len(ear.heard) == 1
        assert sidecar.sessions[0].ended == "open"


async def test_a_sentence_that_cannot_be_said_is_left_out() -> None:
    sidecar, _ = _double(SidecarOptions(mode="say", setup_s=0.0, script=(Line("fail"), Line("fine", 1))))
    async with sidecar, talking(sidecar.url) as client:
        await _frames(client, "......")
        assert client.text == " fine"


async def test_what_comes_while_the_voice_prepares_is_thrown_away_too() -> None:
    class _Slow(_Voice):
        async def speak(self, text: str, *, voice_id: str, speed: float) -> AsyncIterator[AudioFrame]:
            await asyncio.sleep(0.1)
            yield AudioFrame(bytes(3200), 16_000)

    sidecar = Sidecar(SidecarOptions(mode="say", setup_s=0.0, script=(Line("Hello."),)), speech=Speech(_Ear(), _Slow()))
    async with sidecar, connected(sidecar.url) as client:
        await client.headers()
        await client.speak()
        await client.shake()
        await client.speak()
        assert await client.until_closed() == 1000
        assert sidecar.sessions[0].frames_in == 0


@pytest.mark.speech
async def test_with_the_real_models_a_spoken_line_is_understood_and_answered() -> None:
    options = SidecarOptions(mode="say", setup_s=0.0, script=(Line("Hello, I would like to book an appointment."),))
    async with Sidecar(options) as caller, Sidecar(SidecarOptions(setup_s=0.0)) as sidecar:
        async with talking(caller.url) as line:
            for _ in range(50):
                await line.speak()
            words = sound_of(await line.pages(50))
        async with talking(sidecar.url) as client:
            for number in range(50):
                await client.speak(np.ascontiguousarray(words[number * 1920 :][:1920]))
            await client.pages(50)
            for _ in range(600):
                await client.speak()
                await client.pages(1)
                if client.text.endswith("?"):
                    break
                await asyncio.sleep(0.02)
    assert "appointment" in sidecar.sessions[0].transcripts[0]
    assert client.text == " Sure, what day would you like?"
