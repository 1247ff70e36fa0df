"""Speech for a browser's microphone, and what was heard again: joined WAVs, the page's own loudspeaker, words and levels."""

from __future__ import annotations

import base64
import difflib
import io
import re
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page

from local.wav import read_wav, write_wav
from media_plane.audio import EAR_RATE_HZ, AudioFrame
from media_plane.speech_models.whisper import WhisperEar

SPEECH = Path(__file__).resolve().parents[1] / "golden" / "speech"
_WINDOW_MS = 20
_SILENT_DBFS = -50.0
_NOISE_UNITS = 4.0

# Everything the page plays goes to a recorder too: what is connected to the loudspeaker is connected to it as well.
TAP = """
(() => {
  const connect = AudioNode.prototype.connect;
  const pieces = [];
  window.heardAudio = async () => {
    const blob = new Blob(pieces);
    const reader = new FileReader();
    const read = new Promise((done) => { reader.onload = done; });
    reader.readAsDataURL(blob);
    await read;
    return reader.result.split(",")[1] ?? "";
  };
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) {
      const stream = this.context.createMediaStreamDestination();
      connect.call(this, stream);
      const recorder = new MediaRecorder(stream.stream, { mimeType: "audio/webm;codecs=pcm" });
      recorder.ondataavailable = ({ data }) => pieces.push(data);
      recorder.start(250);
    }
    return connect.call(this, target, ...rest);
  };
})();
"""


def joined(path: Path, *parts: Path | float) -> Path:
    """One WAV: files one after the other, with pauses (seconds) of faint noise; the lengths decide when what is said."""
    noise = np.random.default_rng(7)
    pieces = [
        read_wav(part, EAR_RATE_HZ).pcm
        if isinstance(part, Path)
        else noise.normal(0, _NOISE_UNITS, int(part * EAR_RATE_HZ)).astype("<i2").tobytes()
        for part in parts
    ]
    write_wav(path, (b"".join(pieces),), EAR_RATE_HZ)
    return path


async def heard_in(page: Page) -> AudioFrame:
    """What the page (opened with ``TAP``) has played so far, silence included."""
    return read_sound(base64.b64decode(await page.evaluate("window.heardAudio()")))


def read_sound(container: bytes) -> AudioFrame:
    """A recording of any container as PCM16 at the ear's rate. A recording that was cut off gives what came before the cut."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=EAR_RATE_HZ)
    pieces: list[bytes] = []
    with av.open(io.BytesIO(container), mode="r") as recording:
        for frame in recording.decode(audio=0):
            pieces += [bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(frame)]
    return AudioFrame(b"".join(pieces), EAR_RATE_HZ)


@dataclass(frozen=True, slots=True)
class Loudness:
    """``voice_dbfs``: level of the windows that are not silent; ``peak``: 0 to 1; ``silence``: share of silent windows."""

    voice_dbfs: float
    peak: float
    silence: float
    longest_clip: int


def loudness(sound: AudioFrame) -> Loudness:
    samples = samples_of(sound)
    windows = _windows(samples)
    levels = 10 * np.log10(np.mean(np.square(windows), axis=1) + 1e-12)
    voiced = levels > _SILENT_DBFS
    voice = 10 * float(np.log10(np.mean(np.square(windows[voiced])))) if voiced.any() else -120.0
    clipped = "".join("x" if one else " " for one in np.abs(samples) >= 0.999)
    return Loudness(voice, float(np.abs(samples).max(initial=0.0)), float(1 - voiced.mean()), max(map(len, clipped.split()), default=0))


def utterances(sound: AudioFrame, pause_ms: int = 700) -> list[AudioFrame]:
    """The stretches of voice between pauses."""
    samples = samples_of(sound)
    voiced = np.flatnonzero(10 * np.log10(np.mean(np.square(_windows(samples)), axis=1) + 1e-12) > _SILENT_DBFS)
    if not len(voiced):
        return []
    step = EAR_RATE_HZ * _WINDOW_MS // 1000
    cuts = np.flatnonzero(np.diff(voiced) > pause_ms // _WINDOW_MS)
    firsts, lasts = [voiced[0], *voiced[cuts + 1]], [*voiced[cuts], voiced[-1]]
    return [_cut(samples, (first - 8) * step, (last + 10) * step) for first, last in zip(firsts, lasts, strict=True)]


async def words_of(sound: AudioFrame) -> list[str]:
    """Every utterance, written down by the local ear."""
    ear = WhisperEar()
    try:
        return [(await ear.transcribe(part, language="en-US")).text for part in utterances(sound)]
    finally:
        ear.close()


def plain(text: str) -> str:
    """Lower-case words and digits only: for comparing what was said with what was heard."""
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def samples_of(sound: AudioFrame) -> NDArray[np.float64]:
    return np.frombuffer(sound.pcm, dtype="<i2").astype(np.float64) / 32768


def _windows(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    step = EAR_RATE_HZ * _WINDOW_MS // 1000
    return samples[: len(samples) // step * step].reshape(-1, step)


def _cut(samples: NDArray[np.float64], first: int, last: int) -> AudioFrame:
    part = samples[max(0, first) : last]
    return AudioFrame((part * 32768).astype("<i2").tobytes(), EAR_RATE_HZ)


def recalled(said: str, heard: str) -> float:
    """Which share of the words said was heard, in their order. A small ear mishears one or another: "booked" comes back as "both"."""
    words, found = plain(said).split(), plain(heard).split()
    matches = difflib.SequenceMatcher(None, words, found, autojunk=False).get_matching_blocks()
    return sum(match.size for match in matches) / max(1, len(words))
