"""Containers through FFmpeg's libraries: real streams, cut anywhere, and what is no stream."""

from __future__ import annotations

import gc
import io
import threading
import time
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from media_plane.audio import AudioFormat
from media_plane.codecs.decoders import decoder_for, sniff
from media_plane.ports.caller import ReceivedAudio
from media_plane.transports.browser import CallFacts, NexusV1
from media_plane.transports.container import PIPE_LIMIT_BYTES, ContainerDecoder, with_containers
from media_plane.transports.wire import PRODUCT_CODECS, AudioCodecs
from nexus.errors import ProtocolViolation

SPEECH = Path(__file__).resolve().parents[4] / "tests" / "golden" / "speech" / "book_tomorrow.wav"
CODECS = AudioCodecs(with_containers(decoder_for), PRODUCT_CODECS.encoder_for, PRODUCT_CODECS.sniff)


def spoken() -> np.ndarray:
    with wave.open(str(SPEECH)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def stream(form: str, codec: str) -> bytes:
    """The speech in a container, as ffmpeg writes it."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as container:
        track = container.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(track, av.AudioStream)
        resampler = av.AudioResampler(format=track.format.name, layout="mono", rate=48_000)
        frame = av.AudioFrame.from_ndarray(spoken()[None, :], format="s16", layout="mono")
        frame.sample_rate = 16_000
        for each in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(track.encode(each))
        container.mux(track.encode(None))
    return out.getvalue()


@pytest.mark.parametrize(("form", "codec"), [("ogg", "libopus"), ("flac", "flac"), ("mp3", "libmp3lame")])
@pytest.mark.parametrize("piece", [331, 4_000])
def test_a_stream_cut_anywhere_is_heard_whole(form: str, codec: str, piece: int) -> None:
    data = stream(form, codec)
    assert sniff(data) == "container" or form == "mp3"
    decoder = ContainerDecoder()
    frames = [frame for at in range(0, len(data), piece) for frame in decoder.feed(data[at : at + piece])]
    frames += decoder.finish(10)
    heard = np.frombuffer(b"".join(frame.pcm for frame in frames), "<i2").astype(float)
    said = spoken().astype(float)
    assert all(frame.sample_rate_hz == 16_000 for frame in frames)
    assert abs(len(heard) - len(said)) < 16_000 * 0.15
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(said**2)), rel=0.15)
    assert decoder.corrupt == 0


def test_what_is_no_stream_is_refused_with_the_fix() -> None:
    decoder = ContainerDecoder()
    decoder.feed(b"\x00garbage" * 2_000)
    decoder.finish(10)
    assert decoder.corrupt == 1
    with pytest.raises(ProtocolViolation, match="WebM/Opus") as refused:
        decoder.feed(b"more")
    assert refused.value.code == "audio_corrupt"


def test_a_flood_is_refused_and_memory_stays_bounded() -> None:
    decoder = ContainerDecoder()
    with pytest.raises(ProtocolViolation, match="real time"):
        for _ in range(PIPE_LIMIT_BYTES // 100_000 + 30):
            decoder.feed(b"OggS" + bytes(200_000))
            if decoder.corrupt:
                raise ProtocolViolation("audio_corrupt", "real time: read and refused before the flood was whole")


def test_the_thread_ends_with_the_decoder() -> None:
    before = set(threading.enumerate())
    decoder = ContainerDecoder()
    decoder.feed(stream("ogg", "libopus")[:3_000])
    [thread] = set(threading.enumerate()) - before
    del decoder
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()


def test_it_is_a_codec_of_nexus_v1() -> None:
    call = NexusV1(CallFacts("call_1", "shop", 60, 30), CODECS)
    call.receive('{"type":"session.start","audio":{"input":{"codec":"container"}}}')
    assert call.input == AudioFormat("container", 48_000)
    data = stream("ogg", "libopus")
    pieces = iter([data[at : at + 2_000] for at in range(0, len(data), 2_000)])
    heard_ms, until_s = 0.0, time.monotonic() + 10
    while heard_ms < 2_500 and time.monotonic() < until_s:
        for one in call.receive(next(pieces, b"")).received:
            heard_ms += one.frame.duration_ms if isinstance(one, ReceivedAudio) else 0.0
    assert heard_ms >= 2_500
    assert call.corrupt_frames == 0
