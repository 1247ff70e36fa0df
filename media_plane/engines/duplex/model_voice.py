"""What the caller hears of the model: its utterances become items, are held back, dropped, or stopped; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol

from media_plane.audio import AudioFrame
from media_plane.conversation.events import AgentAudio, AgentItemEnded, AgentText, EngineFlush
from media_plane.engines.duplex.claims import Claim
from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.held import HeldBack
from media_plane.engines.duplex.segments import Ended, Opened, Paused, Piece, Resumed, Segmenter, SegmentLimits, Sound, Word
from media_plane.engines.duplex.unfinished import Unfinished

_MOST_UTTERANCES = 64
_SENTENCE_ENDS = (".", "?", "!")


class Watch(Protocol):
    """The part of ``claims.ClaimWatch`` that listens."""

    def begins(self, before: str = "") -> None: ...

    def heard(self, text_so_far: str, *, final: bool = False) -> Claim | None: ...


@dataclass(frozen=True, slots=True)
class Claimed:
    """The model claimed something that no tool of this call has done. ``heard``: the caller heard (some of) it."""

    item_id: str
    claim: Claim
    heard: bool


Out = AgentText | AgentAudio | AgentItemEnded | EngineFlush | Claimed


@dataclass(frozen=True, slots=True)
class ModelVoiceLimits:
    """Milliseconds. ``give_way_ms``: how long the model may go on to the end of its sentence once our voice has words. ``rejoin_ms``: how
    long it must have talked on, unheard, to be heard again in the middle of an utterance. ``held_ms``: how much is held back."""

    segments: SegmentLimits = field(default_factory=SegmentLimits)
    give_way_ms: float = 1_200.0
    rejoin_ms: float = 1_500.0
    held_ms: float = 6_000.0


@dataclass(slots=True)
class _Item:
    """The item that is being spoken. ``before``: a sentence left unfinished before it, with which it may go on."""

    item_id: str
    before: str = ""
    text: str = ""
    sounded: bool = False

    def add(self, word: Word) -> None:
        if not self.text and not word.joins and self.before:
            self.before += " "
        self.text = word.after(self.text)

    @property
    def whole(self) -> str:
        return f"{self.before}{self.text}"

    @property
    def at_sentence_end(self) -> bool:
        return self.text.rstrip("\"')”’").endswith(_SENTENCE_ENDS)


class ModelVoice:
    """The model's side of the floor. Every input gives what goes out now, in order."""

    def __init__(self, item_prefix: str, floor: Floor, watch: Watch, limits: ModelVoiceLimits | None = None) -> None:
        self._prefix = item_prefix
        self._floor = floor
        self._watch = watch
        self._limits = limits or ModelVoiceLimits()
        self._segments = Segmenter(self._limits.segments)
        self._held = HeldBack(self._limits.held_ms)
        self._unfinished = Unfinished()
        self._items = 0
        self._item: _Item | None = None
        self._fate: Literal["none", "heard", "held", "dropped", "void"] = "none"
        self._dropped_ms = 0.0
        self._paused = False
        self._way_by_ms: float | None = None
        self._until_ms = 0.0
        self._caller_began_ms: deque[float] = deque(maxlen=_MOST_UTTERANCES)

    # --- from the line -------------------------------------------------------------------------------------------------------

    def audio(self, at_ms: float, frame: AudioFrame) -> list[Out]:
        """Take a frame of the model."""
        return self._take(at_ms, self._segments.audio(at_ms, frame))

    def text(self, at_ms: float, text: str) -> list[Out]:
        """Take a piece of its words."""
        return self._take(at_ms, self._segments.text(at_ms, text))

    def tick(self, at_ms: float) -> list[Out]:
        """Time has passed."""
        return self._take(at_ms, self._segments.tick(at_ms))

    def void(self, at_ms: float) -> list[Out]:
        """The model takes back what it said last, or another session of it speaks from now on."""
        self._segments.reset()
        self._held.forget()
        outs = self.cut(at_ms)
        self._unfinished.forget()
        self._fate = "none"
        return outs

    # --- from the floor ------------------------------------------------------------------------------------------------------

    def cut(self, at_ms: float) -> list[Out]:
        """Stop it at once, also what it said that is not yet heard."""
        outs: list[Out] = [EngineFlush()] if self.sounds(at_ms) else []
        self._until_ms = min(self._until_ms, at_ms)
        return [*outs, *self._close(at_ms)]

    def give_way(self, at_ms: float) -> None:
        """Our voice has words: come to the end of the sentence."""
        if self._way_by_ms is None:
            self._way_by_ms = at_ms + self._limits.give_way_ms

    def forget_held(self, at_ms: float) -> None:
        """What was held back is void: the caller speaks, or the agent does."""
        self._held.forget()
        if self._fate == "held":
            self._drop(at_ms)

    def caller_begins(self, at_ms: float) -> None:
        """The caller is heard, perhaps with words: until those are known nothing that was held back is let go."""
        self._caller_began_ms.append(at_ms)

    def caller_pauses(self) -> None:
        """What the model said to the end while they spoke is no answer."""
        if self._caller_began_ms:
            self._held.forget_ended_since(self._caller_began_ms[-1])

    def caller_said(self, at_ms: float, text: str) -> None:
        """The words of the oldest such utterance; without any it was none. What was held back before it is void."""
        if not self._caller_began_ms:
            return
        began_ms = self._caller_began_ms.popleft()
        if text:
            self._held.forget_before(began_ms)
            if self._fate == "held" and not self._held.going_on:
                self._drop(at_ms)

    def caller_turn(self) -> None:
        """They have had the word: the model goes on with nothing it began to say before."""
        self._unfinished.forget()

    def interrupted(self, at_ms: float, item_id: str) -> None:
        """The caller interrupted this item: it is over, and so is what the model goes on to say of it."""
        if self._item is not None and self._item.item_id == item_id:
            self._item = None
            self._unfinished.forget()
            self._drop(at_ms)
        self._until_ms = min(self._until_ms, at_ms)

    # --- what others may know ------------------------------------------------------------------------------------------------

    def is_mine(self, item_id: str) -> bool:
        """Whether the item is the model's."""
        return item_id.startswith(self._prefix) and item_id[len(self._prefix) :].isdecimal()

    def sounds(self, at_ms: float) -> bool:
        """Whether the caller hears it, or will hear what it said already."""
        return self._item is not None or self._until_ms > at_ms

    def sounds_until_ms(self, at_ms: float) -> float:
        """When what it said so far will have been heard; not before now."""
        return max(at_ms, self._until_ms)

    def talks(self, at_ms: float) -> bool:
        """Whether it is heard, or speaks and is held back."""
        return self.sounds(at_ms) or self._fate == "held"

    # --- inside --------------------------------------------------------------------------------------------------------------

    def _take(self, at_ms: float, sounds: list[Sound]) -> list[Out]:
        outs: list[Out] = []
        for sound in sounds:
            outs += self._take_one(at_ms, sound)
        return [*outs, *self._keep_terms(at_ms)]

    def _take_one(self, at_ms: float, sound: Sound) -> list[Out]:
        match sound:
            case Opened():
                self._paused = False
                self._begin(at_ms)
            case Paused():
                self._paused = True
                if self._item is not None and self._way_by_ms is not None and self._item.at_sentence_end:
                    return self._close(at_ms)
            case Resumed():
                self._paused = False
                if self._fate == "dropped":
                    self._begin(at_ms)
            case Ended():
                return self._ended(at_ms)
            case Word() | Piece():
                return self._speak(at_ms, sound)
        return []

    def _begin(self, at_ms: float) -> None:
        """An utterance begins, or begins to count."""
        ruling = self._floor.ruling(at_ms)
        self._fate = ruling
        if ruling == "heard":
            self._item = self._new_item(at_ms)
        elif ruling == "held":
            self._held.begin(at_ms)
        elif ruling == "dropped":
            self._drop(at_ms)

    def _drop(self, at_ms: float) -> None:
        self._fate = "dropped"
        self._dropped_ms = at_ms

    def _speak(self, at_ms: float, sound: Word | Piece) -> list[Out]:
        if self._fate == "held":
            self._held.add(sound)
        if self._fate != "heard" or self._item is None:
            return []
        if isinstance(sound, Piece):
            return [self._sound_out(at_ms, self._item, sound)]
        if self._way_by_ms is not None and self._item.at_sentence_end:
            return self._close(at_ms)
        return self._word_out(at_ms, self._item, sound)

    def _sound_out(self, at_ms: float, item: _Item, sound: Piece) -> AgentAudio:
        item.sounded = True
        self._until_ms = max(self._until_ms, at_ms) + sound.frame.duration_ms
        return AgentAudio(item.item_id, sound.frame)

    def _word_out(self, at_ms: float, item: _Item, word: Word) -> list[Out]:
        claim = self._add(item, word)
        text = AgentText(item.item_id, word.text, live=True, joins=word.joins)
        if claim is None:
            return [text]
        outs = [text, *self.cut(at_ms), Claimed(item.item_id, claim, heard=item.sounded)]
        self._unfinished.forget()
        self._fate = "void"
        return outs

    def _add(self, item: _Item, *words: Word, final: bool = False) -> Claim | None:
        """The item grows; the watch is told how the model itself spells it."""
        is_first = not item.text
        for word in words:
            item.add(word)
        if is_first:
            self._watch.begins(item.before)
        return self._watch.heard(item.text, final=final)

    def _ended(self, at_ms: float) -> list[Out]:
        fate, self._fate = self._fate, "none"
        if fate == "held":
            self._held.add(Ended())
        item = self._item
        if item is None:
            return []
        claim = self._add(item, final=True)
        outs: list[Out] = [AgentItemEnded(item.item_id)]
        self._unfinished.left(at_ms, item.whole)
        if claim is not None:
            outs = [*self.cut(at_ms), Claimed(item.item_id, claim, heard=True)]
            self._unfinished.forget()
        self._item, self._fate = None, "none"
        return outs

    def _close(self, at_ms: float) -> list[Out]:
        """End the item here; the rest of the utterance is not heard."""
        item, self._item = self._item, None
        if item is None:
            return []
        self._unfinished.left(at_ms, item.whole)
        self._drop(at_ms)
        return [AgentItemEnded(item.item_id)]

    def _let_go(self, at_ms: float) -> list[Out]:
        """The agent passed: what was held back is heard now, and what the model goes on to say."""
        going_on = self._fate == "held"
        outs: list[Out] = []
        for utterance in self._held.take():
            released = self._release(at_ms, utterance)
            outs += released
            if isinstance(released[-1], Claimed):
                self._held.forget()
                self._fate = "void" if going_on else self._fate
                return outs
        if going_on:
            self._fate = "heard"
            self._item = self._item or self._new_item(at_ms)
        return outs

    def _release(self, at_ms: float, utterance: list[Piece | Word | Ended]) -> list[Out]:
        """One utterance held back: all of it, or nothing when it claims what is not so."""
        item = self._new_item(at_ms)
        words = (sound for sound in utterance if isinstance(sound, Word))
        claim = self._add(item, *words, final=isinstance(utterance[-1], Ended))
        if claim is not None:
            return [Claimed(item.item_id, claim, heard=False)]
        outs: list[Out] = []
        for sound in utterance:
            match sound:
                case Piece():
                    outs.append(self._sound_out(at_ms, item, sound))
                case Word():
                    outs.append(AgentText(item.item_id, sound.text, live=True, joins=sound.joins))
                case Ended():
                    self._unfinished.left(at_ms, item.whole)
                    return [*outs, AgentItemEnded(item.item_id)]
        self._item = item
        return outs

    def _keep_terms(self, at_ms: float) -> list[Out]:
        """Give way in time; be heard again in time."""
        if not self._floor.own_waits:
            self._way_by_ms = None
        elif self._way_by_ms is not None and at_ms >= self._way_by_ms:
            return self.cut(at_ms)
        ruling = self._floor.ruling(at_ms)
        if ruling == "dropped":
            self._dropped_ms = at_ms
        elif ruling == "heard" and not self._caller_began_ms and (self._fate == "held" or self._held.duration_ms > 0):
            return self._let_go(at_ms)
        elif self._fate == "dropped" and not self._paused and at_ms - self._dropped_ms >= self._limits.rejoin_ms:
            self._begin(at_ms)
        return []

    def _new_item(self, at_ms: float) -> _Item:
        self._items += 1
        return _Item(f"{self._prefix}{self._items}", self._unfinished.take(at_ms))
