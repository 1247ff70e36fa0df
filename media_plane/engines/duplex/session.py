"""One session of a full-duplex model under a call: a leased process and the line to it, from its opening to the slot given back."""

from __future__ import annotations

import asyncio
from typing import Literal

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, silence
from media_plane.conversation.commands import CallerAudio
from media_plane.ports.speech_line import ModelBrief, SlotLease, SpeechLine
from nexus.clock import Clock
from nexus.errors import NexusError, UpstreamError

_SILENCE = CallerAudio(silence(FRAME_MS, EAR_RATE_HZ))
_MOST_LATE_MS = 1_000.0


class Session:
    """One generation.

    ``listens`` once opened, ``warm`` once it has given audio, ``failed`` when its process must be probed, ``retired`` once it is closing.
    """

    def __init__(self, generation: int, lease: SlotLease, line: SpeechLine, clock: Clock) -> None:
        self.generation = generation
        self.line = line
        self.listens = False
        self.warm = False
        self.failed = False
        self.retired = False
        self.brief: ModelBrief | None = None
        self.told_ms = 0.0
        self.last_input_ms = clock.monotonic_ms()
        self._first_input_ms: float | None = None
        self._lease = lease
        self._clock = clock

    @property
    def age_ms(self) -> float:
        """Since the first input: a model that is given nothing does not grow older."""
        return 0.0 if self._first_input_ms is None else self._clock.monotonic_ms() - self._first_input_ms

    @property
    def state(self) -> Literal["opening", "listening", "warm"]:
        """How far it is."""
        if not self.listens:
            return "opening"
        return "warm" if self.warm else "listening"

    async def open(self, brief: ModelBrief, timeout_ms: float) -> None:
        """Connect and prime. Raises UpstreamError ``engine_unreachable``; the session is to be closed all the same."""
        self.brief, self.told_ms = brief, self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(None) as limit:
                timer = asyncio.create_task(self._expire(limit, timeout_ms), name="deadline of a model session")
                try:
                    await self.line.open(brief)
                finally:
                    timer.cancel()
        except TimeoutError as error:
            raise UpstreamError("engine_unreachable", f"The model did not listen within {timeout_ms / 1000:g} s.") from error
        except OSError as error:
            raise UpstreamError("engine_unreachable", f"The model could not be reached: {error}") from error
        self.listens = True

    async def _expire(self, limit: asyncio.Timeout, after_ms: float) -> None:
        """A deadline by this clock, whatever its speed."""
        await self._clock.sleep_ms(after_ms)
        limit.reschedule(asyncio.get_running_loop().time())

    def send(self, audio: CallerAudio) -> None:
        """Give caller audio to the model."""
        self.last_input_ms = self._clock.monotonic_ms()
        if self._first_input_ms is None:
            self._first_input_ms = self.last_input_ms
        self.line.send(audio)

    async def feed_silence(self) -> None:
        """Keep the model's time running, 20 ms after 20 ms, until cancelled."""
        due_ms = self._clock.monotonic_ms()
        while True:
            self.send(_SILENCE)
            due_ms = max(due_ms + FRAME_MS, self._clock.monotonic_ms() - _MOST_LATE_MS)
            await self._clock.sleep_ms(due_ms - self._clock.monotonic_ms())

    def give_back(self) -> None:
        """Give the slot back as unsound, unless it has been given back: for a session whose closing was cut off."""
        self._lease.give_back(sound=False)

    async def close(self, within_s: float) -> None:
        """Let go of the model, then of the slot, within so many real seconds; the slot also when this is cancelled."""
        confirmed = False
        try:
            async with asyncio.timeout(within_s):
                confirmed = await self.line.close()
        except (NexusError, OSError, TimeoutError):
            confirmed = False
        finally:
            self._lease.give_back(sound=confirmed and not self.failed)
