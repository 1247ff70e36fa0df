"""Caller audio as one continuous Ogg/Opus stream: the caller's own packets repaged where there are any, everything else encoded.

However packets and bare audio alternate, the stream is as long as what was given: ``given_ms`` and ``sent_ms`` never part by more than
one frame of 20 ms. The server needs it so: its only clock is this stream.
"""

from __future__ import annotations

from collections.abc import Iterator

from media_plane.audio import BYTES_PER_SAMPLE, EAR_RATE_HZ, FRAME_MS, AudioFrame
from media_plane.codecs.ogg import OggWriter
from media_plane.codecs.opus import OpusEncoder
from media_plane.codecs.opus_packet import SAMPLES_PER_MS, packet_samples_48k
from media_plane.conversation.commands import CallerAudio
from media_plane.framer import Framer

_FRAME_SAMPLES = FRAME_MS * SAMPLES_PER_MS
_STEP = SAMPLES_PER_MS * 1000 // EAR_RATE_HZ
"""Samples at 48 kHz in one sample at 16 kHz."""
_SHORTEST_MS, _LONGEST_MS = 10, 80
"""Packets that the genuine server was seen to take; others are encoded anew."""


def audio_ms(audio: CallerAudio) -> float:
    """How much time this is: that of its packets (their first bytes tell it) or of its frame, whichever is longer."""
    return max(_repaged_samples(audio.packets) / SAMPLES_PER_MS, audio.frame.duration_ms)


def _repaged_samples(packets: tuple[bytes, ...]) -> int:
    """Samples at 48 kHz of packets that can go out as they are; 0 when one of them cannot."""
    lengths = [packet_samples_48k(packet) for packet in packets]
    fit = all(_SHORTEST_MS * SAMPLES_PER_MS <= length <= _LONGEST_MS * SAMPLES_PER_MS for length in lengths)
    return sum(lengths) if fit else 0


class CallerStream:
    """One line's outgoing stream: ``headers`` once, then ``pages`` for each piece of audio. Frames are PCM16 mono, 16 kHz.

    Lengths inside are samples at 48 kHz, in which every Opus packet and every 16 kHz frame is a whole number.
    """

    def __init__(self, serial: int) -> None:
        self._ogg = OggWriter(serial, input_rate_hz=EAR_RATE_HZ)
        self._encoder = OpusEncoder(EAR_RATE_HZ)
        self._framer = Framer(EAR_RATE_HZ)
        self._held = 0
        self._given = 0

    @property
    def given_ms(self) -> float:
        """Length of everything given."""
        return self._given / SAMPLES_PER_MS

    @property
    def sent_ms(self) -> float:
        """Length of everything that has come out in pages."""
        return self._ogg.samples_48k / SAMPLES_PER_MS

    def headers(self) -> tuple[bytes, bytes]:
        """The two pages that open the stream."""
        return self._ogg.headers()

    def pages(self, audio: CallerAudio) -> bytes:
        """The pages that are whole by now; empty while less than a frame is held."""
        repaged = _repaged_samples(audio.packets)
        framed = audio.frame.samples * _STEP
        self._given += max(repaged, framed)
        if not repaged:
            return self._encoded(self._owed_frame(audio.frame))
        return self._let_go() + self._ogg.page(audio.packets) + self._made_up()

    def _owed_frame(self, frame: AudioFrame) -> AudioFrame:
        """As much of the frame's end as is owed: what came too much before is taken off its beginning, what is missing is put there."""
        owed = max(0, self._given - self._ogg.samples_48k - self._held) // _STEP * BYTES_PER_SAMPLE
        return AudioFrame(frame.pcm[-owed:].rjust(owed, b"\0") if owed else b"", EAR_RATE_HZ)

    def _encoded(self, frame: AudioFrame) -> bytes:
        return self._ogg.page(tuple(self._packets(frame)))

    def _packets(self, frame: AudioFrame) -> Iterator[bytes]:
        self._held += frame.samples * _STEP
        for each in self._framer.feed(frame):
            self._held -= _FRAME_SAMPLES
            yield self._encoder.encode(each)

    def _let_go(self) -> bytes:
        """Before packets: what is held goes out as a frame filled up with silence, or not at all when it is less than half of one."""
        held, self._held = self._held, 0
        rest = self._framer.flush()
        return self._ogg.page((self._encoder.encode(rest),)) if rest and held * 2 >= _FRAME_SAMPLES else b""

    def _made_up(self) -> bytes:
        """Silence for packets that were lost before they came: the frame tells how long the time was, they do not fill it."""
        short = (self._given - self._ogg.samples_48k) // _FRAME_SAMPLES
        if short <= 0:
            return b""
        return self._encoded(AudioFrame(bytes(short * FRAME_MS * EAR_RATE_HZ // 1000 * BYTES_PER_SAMPLE), EAR_RATE_HZ))
