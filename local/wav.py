"""Sound files of any rate and channel count to PCM16 mono, and WAV files back."""

from __future__ import annotations

import wave
from pathlib import Path

import av
import numpy as np

from media_plane.audio import AudioFrame
from nexus.errors import ConfigurationError


def read_wav(path: Path, sample_rate_hz: int) -> AudioFrame:
    """The whole file as mono at ``sample_rate_hz``, downmixed and resampled.

    Raises:
        ConfigurationError: ``setting_invalid``: there is no such file, or it holds no sound.
    """
    resampler = av.AudioResampler(format="s16", layout="mono", rate=sample_rate_hz)
    pieces: list[bytes] = []
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(audio=0):
                pieces += [bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(frame)]
            pieces += [bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(None)]
    except (OSError, IndexError, ValueError, av.FFmpegError) as error:
        raise ConfigurationError("setting_invalid", f"{path} cannot be read as sound; give a WAV file that exists.") from error
    if not any(pieces):
        raise ConfigurationError("setting_invalid", f"{path} holds no sound; record it again.")
    return AudioFrame(b"".join(pieces), sample_rate_hz)


def write_wav(path: Path, channels: tuple[bytes, ...], sample_rate_hz: int) -> None:
    """Write PCM16 channels side by side; shorter ones are filled with silence."""
    longest = max(len(channel) for channel in channels)
    columns = [np.frombuffer(channel.ljust(longest, b"\0"), dtype="<i2") for channel in channels]
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(sample_rate_hz)
        out.writeframes(np.stack(columns, axis=1).tobytes())
