"""Paces agent audio to the caller in real time, forgets it on barge-in, knows what was really heard. Pure: the bridge drives it.

Three rules hold whatever the engine, the network and the client do:

* Audio goes out at most ``lead_ms`` before it is played, one item after the other, and nothing of a stopped item ever again.
* Memory is bounded: an item holds at most ``item_limit_ms``; newer audio of that item is dropped and counted.
* A reader that stalls gets no old audio: while the socket is blocked, or more than ``unheard_limit_ms`` lies unheard at a client that
  reports what it plays, nothing is sent; frames that are more than ``stale_ms`` overdue are dropped and counted, never sent late.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from media_plane.audio import FRAME_MS, AudioFrame
from media_plane.conversation.events import Heard, PlayoutFinished, PlayoutStarted, PlayoutStopped
from media_plane.framer import Framer
from media_plane.speech.level import LevelWindow, rms_db

HEARD_STEP_MS = 100.0
"""``Heard`` is given when this much more was heard."""
REPORT_HORIZON_MS = 250.0
"""How far beyond a client's last report its playing is assumed to have gone on."""
FINISH_GRACE_MS = 1_000.0
"""How long after its last sound an item waits for the client's report before it counts as finished."""
ECHO_WINDOW_MS = 320.0
"""How long sent audio may still come back through the caller's microphone."""
_CLOSED_IDS = 1_024
_EPSILON_MS = 1e-6


@dataclass(frozen=True, slots=True)
class PlayoutSettings:
    """Limits; the module docstring says what each does."""

    lead_ms: float = 80.0
    item_limit_ms: float = 300_000.0
    stale_ms: float = 400.0
    unheard_limit_ms: float = 1_000.0


@dataclass(frozen=True, slots=True)
class OutgoingFrame:
    """Send this now: 20 ms of an item, at the rate in which the engine gave it. ``sounds_at_ms``: when the caller begins to hear it."""

    item_id: str
    frame: AudioFrame
    sounds_at_ms: float = field(default=0.0, compare=False)


PlayoutItem = OutgoingFrame | PlayoutStarted | Heard | PlayoutFinished


@dataclass(slots=True)
class _Item:
    """One item: what waits, what went out, what was heard."""

    item_id: str
    frames: deque[AudioFrame] = field(default_factory=deque)
    framer: Framer | None = None
    ended: bool = False
    started: bool = False
    sent_ms: float = 0.0
    sounds_until_ms: float = 0.0
    ran_dry: bool = False
    reported_ms: float | None = None
    reported_at_ms: float = 0.0
    told_ms: float = 0.0

    def take(self, frame: AudioFrame) -> None:
        if self.framer is None or self.framer.sample_rate_hz != frame.sample_rate_hz:
            self.fill_up()
            self.framer = Framer(frame.sample_rate_hz)
        self.frames.extend(self.framer.feed(frame))

    def fill_up(self) -> None:
        rest = self.framer.flush() if self.framer else None
        if rest is not None:
            self.frames.append(rest)

    def heard_ms(self, at_ms: float) -> float:
        if self.reported_ms is None:
            guess = self.sent_ms - max(0.0, self.sounds_until_ms - at_ms)
        else:
            guess = self.reported_ms + min(max(0.0, at_ms - self.reported_at_ms), REPORT_HORIZON_MS)
        return min(self.sent_ms, max(self.told_ms, guess))

    def finished(self, at_ms: float) -> bool:
        if not self.ended or self.frames:
            return False
        return self.heard_ms(at_ms) >= self.sent_ms - _EPSILON_MS or at_ms >= self.sounds_until_ms + FINISH_GRACE_MS


class Playout:
    """The playout of one call. Every ``at_ms`` is since connection and never steps back.

    The bridge calls ``due`` at ``next_due_ms`` (and after ``add``, ``end``, ``played``) and sends what it gives, in order.
    """

    def __init__(self, settings: PlayoutSettings | None = None) -> None:
        self._settings = settings or PlayoutSettings()
        self._items: deque[_Item] = deque()
        self._closed: deque[str] = deque(maxlen=_CLOSED_IDS)
        self._now_ms = 0.0
        self._next_sound_ms = 0.0
        self._blocked = False
        self._client_reports = False
        self._unheard_before_ms = 0.0
        self._levels = LevelWindow(ECHO_WINDOW_MS)
        self.dropped_frames = 0
        """Frames that were too old to send or beyond the limit of their item."""
        self.sent_ms = 0.0
        """Agent audio sent in this call."""
        self.underruns = 0
        """Gaps of a frame or more inside items: the next audio came when the last had been heard."""

    def add(self, item_id: str, frame: AudioFrame) -> None:
        """Queue audio of an item. Audio of a finished or stopped item is ignored; beyond the limit it is dropped and counted."""
        item = self._open(item_id)
        if item is None or item.ended:
            return
        if len(item.frames) * FRAME_MS + frame.duration_ms > self._settings.item_limit_ms:
            self.dropped_frames += max(1, int(frame.duration_ms // FRAME_MS))
            return
        if not item.frames and item is self._items[0]:
            self._next_sound_ms = max(self._next_sound_ms, self._now_ms)
        item.take(frame)

    def end(self, item_id: str) -> None:
        """No more audio will come for the item; what is left is played."""
        item = self._open(item_id)
        if item is not None and not item.ended:
            item.fill_up()
            item.ended = True

    def due(self, at_ms: float) -> tuple[PlayoutItem, ...]:
        """What to send and to tell now."""
        self._now_ms = max(self._now_ms, at_ms)
        out: list[PlayoutItem] = []
        while self._items:
            item = self._items[0]
            self._end_when_overtaken(item)
            self._send_due(item, out)
            followed = len(self._items) > 1 and item.ended and not item.frames and not self._stalled(item)
            if not (item.finished(self._now_ms) or (followed and self._may_send())):
                break
            out.append(self._finish(item, followed=followed))
        self._tell_heard(out)
        return tuple(out)

    def next_due_ms(self) -> float | None:
        """When ``due`` has something to do next without anything new; None when it would never have."""
        if not self._items:
            return None
        item = self._items[0]
        if not item.frames:
            return self._now_ms + FRAME_MS if item.ended or item.sent_ms else None
        if self._stalled(item):
            return self._now_ms + FRAME_MS
        return max(self._now_ms, self._next_sound_ms - self._settings.lead_ms)

    def stop(self, at_ms: float) -> PlayoutStopped | None:
        """Forget everything not yet heard; None when there is nothing to stop. Audio of the items known now is never given again."""
        self._now_ms = max(self._now_ms, at_ms)
        if not self._items:
            return None
        item = self._items[0]
        self._closed.extend(each.item_id for each in self._items)
        self._items.clear()
        self._next_sound_ms = self._now_ms
        self._unheard_before_ms = 0.0
        return PlayoutStopped(item.item_id, item.heard_ms(self._now_ms))

    def played(self, item_id: str, played_ms: float) -> None:
        """The client's own word on how much of an item it has played; never counted beyond what was sent."""
        self._client_reports = True
        self._unheard_before_ms = 0.0
        if not self._items or self._items[0].item_id != item_id:
            return
        item = self._items[0]
        item.reported_ms = max(item.reported_ms or 0.0, min(played_ms, item.sent_ms))
        item.reported_at_ms = self._now_ms

    def blocked(self, is_blocked: bool) -> None:
        """Whether the caller's socket takes no more bytes just now."""
        self._blocked = is_blocked

    def audible(self, at_ms: float) -> bool:
        """Whether sent audio is still sounding at the caller's."""
        return bool(self._items) and self._items[0].sent_ms > 0 and at_ms < self._next_sound_ms

    def level_db(self, at_ms: float) -> float | None:
        """The loudest 20 ms that may come back through the caller's microphone now, dBFS; None when there is none."""
        return self._levels.loudest_db(at_ms)

    def _open(self, item_id: str) -> _Item | None:
        if item_id in self._closed:
            return None
        for item in self._items:
            if item.item_id == item_id:
                return item
        self._items.append(_Item(item_id))
        return self._items[-1]

    def _end_when_overtaken(self, item: _Item) -> None:
        """An engine that begins the next item has ended this one, whether it said so or not."""
        if len(self._items) > 1 and not item.ended:
            self.end(item.item_id)

    def _may_send(self) -> bool:
        return self._next_sound_ms - self._settings.lead_ms <= self._now_ms + _EPSILON_MS

    def _stalled(self, item: _Item) -> bool:
        unheard_ms = self._unheard_before_ms + item.sent_ms - (item.reported_ms or 0.0)
        return self._blocked or (self._client_reports and unheard_ms > self._settings.unheard_limit_ms)

    def _send_due(self, item: _Item, out: list[PlayoutItem]) -> None:
        while item.frames and self._may_send():
            if self._stalled(item):
                self._drop_stale(item)
                return
            self._count_underrun(item)
            self._next_sound_ms = max(self._next_sound_ms, self._now_ms)
            if not item.started:
                item.started = True
                out.append(PlayoutStarted(item.item_id))
            out.append(self._send(item))

    def _count_underrun(self, item: _Item) -> None:
        """After the queue of an item that has not ended ran dry, its next audio tells how long nothing was there."""
        if item.ran_dry and self._now_ms - item.sounds_until_ms >= FRAME_MS:
            self.underruns += 1
        item.ran_dry = False

    def _send(self, item: _Item) -> OutgoingFrame:
        frame = item.frames.popleft()
        sounds_at_ms = self._next_sound_ms
        self._next_sound_ms += frame.duration_ms
        item.sent_ms += frame.duration_ms
        item.sounds_until_ms = self._next_sound_ms
        item.ran_dry = not item.frames
        self.sent_ms += frame.duration_ms
        self._levels.note(self._next_sound_ms, rms_db(frame))
        return OutgoingFrame(item.item_id, frame, sounds_at_ms)

    def _drop_stale(self, item: _Item) -> None:
        """The caller's clock runs on while nothing can be sent: what should have sounded long ago is forgotten."""
        while item.frames and self._now_ms - (self._next_sound_ms - self._settings.lead_ms) > self._settings.stale_ms:
            self._next_sound_ms += item.frames.popleft().duration_ms
            self.dropped_frames += 1

    def _finish(self, item: _Item, *, followed: bool) -> PlayoutFinished:
        self._items.popleft()
        self._closed.append(item.item_id)
        self._unheard_before_ms += max(0.0, item.sent_ms - (item.reported_ms or 0.0))
        return PlayoutFinished(item.item_id, item.sent_ms if followed else item.heard_ms(self._now_ms))

    def _tell_heard(self, out: list[PlayoutItem]) -> None:
        if not self._items:
            return
        item = self._items[0]
        heard_ms = item.heard_ms(self._now_ms)
        if heard_ms >= item.told_ms + HEARD_STEP_MS:
            item.told_ms = heard_ms
            out.append(Heard(item.item_id, heard_ms))
