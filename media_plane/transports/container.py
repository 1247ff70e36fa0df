"""Any container that FFmpeg's libraries read from a pipe (Ogg, FLAC, MP3 …) as live caller audio, in process by PyAV.

PyAV wants a file to read from, so each stream has one thread that reads a pipe which the socket fills. WebM/Opus, WAV and bare audio
do not come this way: their own readers cost less and hold nothing back.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable

import av

from media_plane.audio import EAR_RATE_HZ, AudioFormat, AudioFrame
from media_plane.transports.wire import Decoder
from nexus.errors import ProtocolViolation

PIPE_LIMIT_BYTES = 1_000_000
"""So much may wait undecoded; a client that sends faster is refused."""
_OUT_LIMIT_FRAMES = 500
_OPTIONS = {"probesize": "2048", "analyzeduration": "0"}  # without nobuffer: it throws the first packets away


class _Pipe:
    """A file that ends only when it is closed: ``read`` waits for bytes."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._changed = threading.Condition()
        self._closed = False

    def write(self, data: bytes) -> bool:
        """Add bytes; False when too much waits already."""
        with self._changed:
            if len(self._bytes) + len(data) > PIPE_LIMIT_BYTES:
                return False
            self._bytes += data
            self._changed.notify()
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes, at most ``size``; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._bytes or self._closed)
            count = len(self._bytes) if size < 0 else min(size, len(self._bytes))
            taken = bytes(self._bytes[:count])
            del self._bytes[:count]
        return taken

    def close(self) -> None:
        """Let the reader find the end."""
        with self._changed:
            self._closed = True
            self._changed.notify()


class ContainerDecoder:
    """Decodes one caller's container stream to PCM16 mono 16 kHz, cut anywhere. Its thread ends when the decoder is let go of."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self._decoded: deque[AudioFrame] = deque(maxlen=_OUT_LIMIT_FRAMES)
        self._failure: list[str] = []
        self._thread = threading.Thread(target=_decode, args=(self._pipe, self._decoded.append, self._failure.append), daemon=True)
        self._thread.start()
        weakref.finalize(self, self._pipe.close)

    @property
    def packets(self) -> tuple[bytes, ...]:
        """None: the original packets are not kept."""
        return ()

    @property
    def corrupt(self) -> int:
        """1 once the stream has broken."""
        return len(self._failure)

    def feed(self, message: bytes) -> tuple[AudioFrame, ...]:
        """What has been decoded by now; the audio of this message may come with the next one.

        Raises:
            ProtocolViolation: ``audio_corrupt``: FFmpeg cannot read the stream, or it comes much faster than it can be decoded.
        """
        if self._failure:
            raise ProtocolViolation("audio_corrupt", f"The audio stream cannot be read ({self._failure[0]}); send WebM/Opus, WAV or PCM16.")
        if not self._pipe.write(message):
            raise ProtocolViolation("audio_corrupt", "The audio stream comes faster than it can be decoded; send it in real time.")
        return tuple(self._decoded.popleft() for _ in range(len(self._decoded)))

    def finish(self, timeout_s: float) -> tuple[AudioFrame, ...]:
        """End the stream and wait for the rest of its audio."""
        self._pipe.close()
        self._thread.join(timeout_s)
        return tuple(self._decoded.popleft() for _ in range(len(self._decoded)))


def with_containers(decoder_for: Callable[[AudioFormat], Decoder]) -> Callable[[AudioFormat], Decoder]:
    """``decoder_for``, and FFmpeg's libraries for the codec ``container``."""
    return lambda wanted: ContainerDecoder() if wanted.codec == "container" else decoder_for(wanted)


def _decode(pipe: _Pipe, give: Callable[[AudioFrame], None], fail: Callable[[str], None]) -> None:
    """The thread: it knows the pipe and where frames go, never the decoder, so that the decoder can be let go of."""
    try:
        with av.open(pipe, mode="r", options=_OPTIONS, buffer_size=4096) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=EAR_RATE_HZ)
            for decoded in container.decode(audio=0):
                for frame in resampler.resample(decoded):
                    give(AudioFrame(bytes(frame.planes[0])[: frame.samples * 2], EAR_RATE_HZ))
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        fail(type(error).__name__)
