"""Brings a sidecar's output into step with the caller's audio, pure: bursts are held back, gaps are filled with silence."""

from __future__ import annotations

from collections import deque

from media_plane.audio import EAR_RATE_HZ, FRAME_MS, AudioFrame, bytes_for_ms
from media_plane.ports.speech_line import LineEvent, ModelAudio, ModelFlush, ModelText

_FRAME_BYTES = bytes_for_ms(FRAME_MS, EAR_RATE_HZ)
_LEAST_BYTES = 64
_MOST_URGENT = 256


class Pacing:
    """One session's output, given as fast as the caller's audio goes in.

    A model that answers frame by frame passes untouched. One that makes its speech faster than it is spoken is at most ``ahead_ms``
    before the input; one that sends nothing while it has nothing to say gives silence, ``behind_ms`` after the input. Words stay at
    their place between the audio. At most ``room_ms`` are held; what comes beyond that is left out. Of 256 other events that nobody
    took the oldest goes.
    """

    def __init__(self, *, room_ms: float = 60_000.0, ahead_ms: float = 100.0, behind_ms: float = 200.0) -> None:
        self._room_bytes = bytes_for_ms(room_ms, EAR_RATE_HZ)
        self._ahead_bytes = bytes_for_ms(ahead_ms, EAR_RATE_HZ)
        self._behind_bytes = bytes_for_ms(behind_ms, EAR_RATE_HZ)
        self._most_fill_bytes = bytes_for_ms(1_000, EAR_RATE_HZ)
        self._held: deque[bytes | ModelText] = deque()
        self._held_bytes = 0
        self._urgent: deque[LineEvent] = deque(maxlen=_MOST_URGENT)
        self._in_bytes = 0
        self._out_bytes = 0

    def fed(self, frame: AudioFrame) -> None:
        """The model was given this much caller audio, 16 kHz."""
        self._in_bytes += len(frame.pcm)

    def put(self, event: LineEvent) -> bool:
        """Take what the model gave. Audio (16 kHz) and words wait for their time; the rest goes first, and a flush forgets what waits.

        False when something was left out, for want of room.
        """
        match event:
            case ModelAudio(frame):
                return all([self._hold(frame.pcm[at : at + _FRAME_BYTES]) for at in range(0, len(frame.pcm), _FRAME_BYTES)])
            case ModelText():
                return self._hold(event)
            case ModelFlush():
                self._held.clear()
                self._held_bytes = 0
                self._out_bytes = min(self._out_bytes, self._in_bytes)
        self._urgent.append(event)
        return True

    def take(self) -> list[LineEvent]:
        """Everything whose time has come."""
        events = list(self._urgent)
        self._urgent.clear()
        while self._held and self._out_bytes < self._in_bytes + self._ahead_bytes:
            events.append(self._next())
        if not self._held:
            events += self._filling()
        return events

    def _hold(self, piece: bytes | ModelText) -> bool:
        if self._held_bytes + _weight(piece) > self._room_bytes:
            return False
        self._held.append(piece)
        self._held_bytes += _weight(piece)
        return True

    def _next(self) -> LineEvent:
        head = self._held.popleft()
        self._held_bytes -= _weight(head)
        if isinstance(head, ModelText):
            return head
        self._out_bytes += len(head)
        return ModelAudio(AudioFrame(head, EAR_RATE_HZ))

    def _filling(self) -> list[LineEvent]:
        missing_bytes = self._in_bytes - self._behind_bytes - self._out_bytes
        if missing_bytes <= 0:
            return []
        self._out_bytes += missing_bytes
        return [ModelAudio(AudioFrame(bytes(min(missing_bytes, self._most_fill_bytes)), EAR_RATE_HZ))]


def _weight(piece: bytes | ModelText) -> int:
    """What a piece counts of the room, bytes; a tiny one is mostly the memory it sits in."""
    return max(_LEAST_BYTES, len(piece) if isinstance(piece, bytes) else len(piece.text))
