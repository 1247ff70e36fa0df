"""Writes WebM by hand, in the layout of a browser's recorder and in every other layout that the reader must take."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from media_plane.audio import AudioFrame
from media_plane.codecs.opus import OpusEncoder

GOLDEN = Path(__file__).parents[1] / "golden"
UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"


def speech(name: str = "book_tomorrow") -> bytes:
    """PCM16 mono 16 kHz of a speech fixture."""
    with wave.open(str(GOLDEN / "speech" / f"{name}.wav")) as file:
        return bytes(file.readframes(file.getnframes()))


def opus_packets(pcm: bytes) -> list[bytes]:
    """20 ms packets of PCM16 16 kHz."""
    encoder = OpusEncoder(16_000)
    return [encoder.encode(AudioFrame(pcm[i : i + 640], 16_000)) for i in range(0, len(pcm) // 640 * 640, 640)]


def size(number: int) -> bytes:
    """An EBML size of four bytes."""
    return (number | 0x10000000).to_bytes(4, "big")


def element(element_id: str, body: bytes) -> bytes:
    return bytes.fromhex(element_id) + size(len(body)) + body


def header(codec: bytes = b"A_OPUS") -> bytes:
    """EBML header, Segment of unknown size, Info and one track."""
    entry = element("D7", b"\x01") + element("83", b"\x02") + element("86", codec) + element("63A2", b"OpusHead" + bytes(11))
    ebml = element("1A45DFA3", element("4282", b"webm"))
    return ebml + bytes.fromhex("18538067") + UNKNOWN + element("1549A966", bytes(30)) + element("1654AE6B", element("AE", entry))


def cluster(blocks: list[bytes]) -> bytes:
    """A Cluster of unknown size."""
    return bytes.fromhex("1F43B675") + UNKNOWN + element("E7", b"\0") + b"".join(blocks)


def simple_block(payload: bytes, *, track: int = 1, lacing: int = 0) -> bytes:
    return element("A3", bytes([0x80 | track, 0, 0, 0x80 | lacing << 1]) + payload)


def block_group(payload: bytes) -> bytes:
    return element("A0", element("A1", b"\x81\0\0\0" + payload) + element("9B", b"\x14"))


def stream(packets: list[bytes]) -> bytes:
    """A Cluster for every two blocks, as Chromium writes."""
    return header() + b"".join(cluster([simple_block(p) for p in packets[i : i + 2]]) for i in range(0, len(packets), 2))


def wav_bytes(pcm: bytes, rate_hz: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    """A WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return out.getvalue()


def tone(duration_ms: int, rate_hz: int, hz: float = 440.0, level: int = 8_000) -> bytes:
    """PCM16 mono of a sine."""
    t = np.arange(duration_ms * rate_hz // 1000) / rate_hz
    return bytes(np.rint(level * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes())


def likeness(a: bytes, b: bytes, most_shift: int = 400) -> float:
    """The best correlation of two PCM16 signals over small shifts: 1.0 for the same sound."""
    x, y = (np.frombuffer(pcm, "<i2").astype(np.float64) for pcm in (a, b))
    n = min(len(x), len(y)) - most_shift
    scale = float(np.linalg.norm(x[:n])) + 1e-9
    return max(float(np.dot(x[:n], y[s : s + n]) / scale / (np.linalg.norm(y[s : s + n]) + 1e-9)) for s in range(0, most_shift, 2))
