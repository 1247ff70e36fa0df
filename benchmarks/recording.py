"""What recording a call costs: the tape, both encoders and the file, without the call around them."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.processes import load
from benchmarks.served import SPEECH
from local.wav import read_wav
from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, bytes_for_ms
from media_plane.recording.stream import StereoStream
from media_plane.recording.tape import StereoTape

_SECONDS = 60
_REPEATS = 5
_AGENT_HZ = 24_000
_FRAMES_A_SECOND = 1000 // FRAME_MS
Talks = Callable[[int], tuple[bool, bool]]
_CALLS: dict[str, Talks] = {
    "both talk all the time": lambda _: (True, True),
    "caller's microphone open, agent talks half of the time": lambda second: (True, second // 5 % 2 == 0),
    "nobody talks, the caller's microphone is muted": lambda _: (False, False),
}


async def measure() -> list[Figure]:
    """Each kind of call, the median of some repeats."""
    rows = []
    for name, talks in _CALLS.items():
        found = [await asyncio.to_thread(_record, talks) for _ in range(_REPEATS)]
        cpu_ms = percentile([cpu_s for cpu_s, _ in found], 0.5) * 1000 / _SECONDS
        rows.append((name, f"{cpu_ms:.2f}", f"{found[0][1] / _SECONDS / 1000:.1f}", load()))
    columns = ("call", "CPU ms per call-second", "KB per second", "machine")
    return [Figure("recording", "Recording: stereo, 16 kHz, Opus in Ogg, a page a second to a file", columns, tuple(rows))]


def _record(talks: Talks) -> tuple[float, int]:
    """CPU-seconds of a minute's call, and the size of its file."""
    voice = read_wav(SPEECH / "caller_phone.wav", EAR_RATE_HZ).pcm * 2
    said = read_wav(SPEECH / "caller_book_haircut.wav", _AGENT_HZ).pcm * 2
    with tempfile.TemporaryFile("wb", buffering=0, dir=Path(tempfile.gettempdir())) as file:
        tape, stream = StereoTape(), StereoStream(1)
        began = time.thread_time()
        file.write(stream.headers())
        for second in range(_SECONDS):
            caller, agent = talks(second)
            for number in range(_FRAMES_A_SECOND):
                at_ms = second * 1000.0 + number * FRAME_MS
                if caller:
                    tape.caller(_frame(voice, EAR_RATE_HZ, at_ms), at_ms)
                if agent:
                    tape.agent(_frame(said, _AGENT_HZ, at_ms), at_ms)
            file.write(stream.pages(*tape.cut((second + 1) * 1000.0)))
        file.write(stream.pages(*tape.finish(_SECONDS * 1000.0), last=True))
        return time.thread_time() - began, file.tell()


def _frame(pcm: bytes, rate_hz: int, at_ms: float) -> AudioFrame:
    size = bytes_for_ms(FRAME_MS, rate_hz)
    begin = bytes_for_ms(at_ms, rate_hz) % (len(pcm) - size)
    return AudioFrame(pcm[begin - begin % 2 : begin - begin % 2 + size], rate_hz)
