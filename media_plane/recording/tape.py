"""Lays two voices beside each other on the clock of their call. Pure: PCM16 mono in, two channels of 16 kHz out, time as milliseconds.

What a caller's microphone sends arrives in jerks, so it is laid on in one piece as long as it keeps step with the clock within
``_SLACK_MS``; what the agent says is dated exactly by playout. Only what lies ``lag_ms`` behind the clock is given out, so that audio
which comes late still finds its place.
"""

from __future__ import annotations

from media_plane.audio import BYTES_PER_SAMPLE, FRAME_MS, AudioFrame
from media_plane.codecs.resample import Resampler

TAPE_RATE_HZ = 16_000
AHEAD_LIMIT_MS = 2_000.0
"""So far beyond the clock a caller's audio may lie (a client that sends a second at a time); what lies further is left out."""
_SLACK_MS = 60.0
_EXACT_MS = 10.0
_SAMPLES_PER_MS = TAPE_RATE_HZ // 1000
_BLOCK_SAMPLES = FRAME_MS * _SAMPLES_PER_MS


class _Side:
    """One channel: the samples that are not given out yet. Positions count samples since the call began."""

    def __init__(self, slack_ms: float) -> None:
        self._slack = int(slack_ms * _SAMPLES_PER_MS)
        self._pcm = bytearray()
        self._given = 0

    @property
    def end(self) -> int:
        return self._given + len(self._pcm) // BYTES_PER_SAMPLE

    def lay(self, pcm: bytes, at: int) -> None:
        """Put audio where it sounded: silence before it where there is a gap, right behind what lies there already where there is none."""
        gap = at - self.end
        if gap > self._slack or (gap > 0 and not self._pcm):
            self._pcm += bytes(gap * BYTES_PER_SAMPLE)
        self._pcm += pcm

    def forget_from(self, at: int) -> None:
        """Nothing sounds from ``at`` on."""
        del self._pcm[max(0, at - self._given) * BYTES_PER_SAMPLE :]

    def give(self, until: int) -> bytes:
        """Everything before ``until``, filled up with silence."""
        size = max(0, until - self._given) * BYTES_PER_SAMPLE
        given = bytes(self._pcm[:size]).ljust(size, b"\0")
        del self._pcm[:size]
        self._given += size // BYTES_PER_SAMPLE
        return given


class StereoTape:
    """The two voices of one call. Times are milliseconds since it began."""

    def __init__(self, lag_ms: float = 600.0) -> None:
        self._lag_ms = lag_ms
        self._caller = _Side(_SLACK_MS)
        self._agent = _Side(_EXACT_MS)
        self._resampler: Resampler | None = None
        self._given = 0

    @property
    def waiting_ms(self) -> float:
        """How much audio is held."""
        return (max(self._caller.end, self._agent.end) - self._given) / _SAMPLES_PER_MS

    def caller(self, frame: AudioFrame, begin_ms: float) -> None:
        """What the caller's microphone picked up, 16 kHz; it began to sound at ``begin_ms``."""
        at = round(begin_ms * _SAMPLES_PER_MS)
        if self._caller.end - at <= AHEAD_LIMIT_MS * _SAMPLES_PER_MS:
            self._caller.lay(frame.pcm, at)

    def agent(self, frame: AudioFrame, begin_ms: float) -> None:
        """What went out to the caller, any rate; it begins to sound at ``begin_ms``."""
        if self._resampler is None or self._resampler.from_hz != frame.sample_rate_hz:
            self._resampler = Resampler(frame.sample_rate_hz, TAPE_RATE_HZ)
        self._agent.lay(self._resampler.feed(frame).pcm, round(begin_ms * _SAMPLES_PER_MS))

    def agent_stopped(self, at_ms: float) -> None:
        """The caller was told to forget what would have sounded from now on."""
        self._resampler = None
        self._agent.forget_from(round(at_ms * _SAMPLES_PER_MS))

    def cut(self, now_ms: float) -> tuple[bytes, bytes]:
        """Left and right, equally long, in whole blocks of 20 ms: all that lies ``lag_ms`` behind and was not given before."""
        return self._give(int((now_ms - self._lag_ms) * _SAMPLES_PER_MS) // _BLOCK_SAMPLES * _BLOCK_SAMPLES)

    def finish(self, at_ms: float) -> tuple[bytes, bytes]:
        """The rest of a call that ended at ``at_ms``, filled up with silence to a whole block; at least one."""
        blocks = -(-round(at_ms * _SAMPLES_PER_MS) // _BLOCK_SAMPLES)
        return self._give(max(blocks * _BLOCK_SAMPLES, self._given + _BLOCK_SAMPLES))

    def _give(self, until: int) -> tuple[bytes, bytes]:
        self._given = max(self._given, until)
        return self._caller.give(until), self._agent.give(until)
