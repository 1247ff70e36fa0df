"""The agent's half of the floor: what it is saying, how much was heard, what an interruption left unsaid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from media_plane.conversation import events as ev
from media_plane.conversation.commands import (
    Command,
    EndItem,
    Interrupted,
    Note,
    Play,
    Say,
    SendToEngine,
    TellAudio,
    TellLatency,
    TellState,
    TellTranscript,
)
from media_plane.conversation.heard import SpokenItem
from media_plane.conversation.latency import TurnTimer
from media_plane.conversation.ledger import TurnLedger
from nexus.domain import journal
from nexus.domain.session import StageTimes, Turn

TakeTimer = Callable[[], TurnTimer | None]
_LIVE_ANSWER_MS = 5_000.0
"""What a model begins later than this after the caller's voice, it says on its own account: no answer, no latency."""


class AgentSide:
    """Items open now, in the order in which they will be heard."""

    def __init__(self, ledger: TurnLedger) -> None:
        self._ledger = ledger
        self._items: dict[str, SpokenItem] = {}
        self._stages: dict[str, StageTimes] = {}
        self._closed: set[str] = set()
        self._onset_ms: float | None = None
        self._rest = ""
        self._last_interruption: journal.Interrupted | None = None
        self._first_audio_noted = False
        self._had_a_say = False
        self.text_only = False
        self.own_turns = False
        self.engine = ""
        self.overlap_ms = 0.0

    @property
    def speaking(self) -> bool:
        """Whether agent audio is heard or waits to be heard."""
        return any(item.audio_ms > 0 for item in self._items.values())

    @property
    def was_heard(self) -> bool:
        """Whether any agent audio was heard in this call."""
        return self._first_audio_noted

    @property
    def had_a_say(self) -> bool:
        """Whether the first thing that the agent said is over, heard to its end or stopped."""
        return self._had_a_say

    @property
    def cut_off(self) -> bool:
        """Whether an item is open whose end the engine has not given yet."""
        return any(not item.ended for item in self._items.values())

    def knows(self, item_id: str) -> bool:
        """Whether the item may still be played: it was neither heard to its end nor stopped."""
        return item_id not in self._closed

    def interrupted_by(self, event: ev.CallerTranscript) -> bool:
        """Whether these words are of the utterance that interrupted the agent (and not of one before it, transcribed late)."""
        if self._last_interruption is None:
            return False
        return not event.voice_end_ms or event.voice_end_ms >= self._last_interruption.at_ms

    def talks_over(self, onset_ms: float) -> bool:
        """Whether a model that decides its own turns began to speak into a voice that sounded since ``onset_ms``: the caller did not
        interrupt it, and who yields is the model's business."""
        heard = next((item for item in self._items.values() if item.audio_ms > 0), None)
        return heard is not None and heard.live and (heard.began_at_ms is None or onset_ms < heard.began_at_ms)

    def interrupted_from(self, onset_ms: float) -> None:
        """A barge-in is being carried out; the caller's voice began at ``onset_ms``."""
        self._onset_ms = onset_ms

    def forget_interruption(self) -> None:
        """The caller really took the floor: nothing is resumed."""
        self._rest, self._last_interruption, self._onset_ms = "", None, None

    def resume(self) -> list[Command]:
        """The interruption was none: say what it left unsaid."""
        rest, interruption = self._rest, self._last_interruption
        self.forget_interruption()
        if interruption is None:
            return []
        noted: list[Command] = [Note(interruption.model_copy(update={"false_alarm": True}))]
        return [*noted, SendToEngine(Say(rest))] if rest else noted

    def answered_early(self, voice_end_ms: float, take_timer: TakeTimer) -> list[Command]:
        """The ear finds only now that the caller's voice ended at ``voice_end_ms``: what was begun since then was the answer, and over
        what was begun before there is nothing to measure."""
        begun = next((item for item in reversed(self._items.values()) if item.began_at_ms is not None), None)
        if begun is None or begun.began_at_ms is None:
            return []
        timer = take_timer()
        return [] if timer is None or begun.began_at_ms < voice_end_ms else self._time(begun.began_at_ms, begun, timer)

    def handle(self, at_ms: float, event: ev.Event, take_timer: TakeTimer) -> list[Command]:
        """Take what the engine says and what playout reports."""
        match event:
            case ev.AgentText():
                return self._text(at_ms, event, take_timer)
            case ev.AgentAudio():
                return self._audio(at_ms, event)
            case ev.AgentItemEnded():
                return self._item_ended(at_ms, event)
            case ev.PlayoutStarted():
                return self._started(at_ms, event, take_timer)
            case ev.Heard():
                return self._heard(at_ms, event)
            case ev.PlayoutStopped():
                return self._stopped(at_ms, event)
            case _:
                return []

    def finished(self, at_ms: float, event: ev.PlayoutFinished) -> list[Command]:
        """An item was heard to its end."""
        item = self._items.get(event.item_id)
        if item is None:
            return []
        item.heard_ms = max(item.audio_ms, event.heard_ms)
        self._onset_ms = None
        return [TellAudio("end", item.item_id), *self._close(at_ms, item, interrupted=False)]

    def close_unheard(self, at_ms: float) -> list[Command]:
        """The engine changed: what it did not begin to say will not come; what it began may still be heard."""
        commands: list[Command] = []
        for item in [*self._items.values()]:
            if item.audio_ms == 0:
                commands += self._close(at_ms, item, interrupted=True)
            elif not item.ended:
                item.ended = True
                commands.append(EndItem(item.item_id))
        return commands

    def close_all(self, at_ms: float) -> list[Command]:
        """The call is over: what is still open was cut short."""
        return [command for item in [*self._items.values()] for command in self._close(at_ms, item, interrupted=True)]

    # --- engine ---

    def _item(self, item_id: str) -> SpokenItem | None:
        if item_id in self._closed:
            return None
        return self._items.setdefault(item_id, SpokenItem(item_id))

    def _text(self, at_ms: float, event: ev.AgentText, take_timer: TakeTimer) -> list[Command]:
        item = self._item(event.item_id)
        if item is None:
            return []
        item.add_text(event.text, joins=event.joins)
        item.live = item.live or event.live
        item.first_text_ms = at_ms if item.first_text_ms is None else item.first_text_ms
        commands: list[Command] = []
        if self.text_only and self._begin(at_ms, item):
            commands = self._time_answer(at_ms, item, take_timer)
        return [*commands, self._tell(at_ms, item, item.text, final=False)]

    def _audio(self, at_ms: float, event: ev.AgentAudio) -> list[Command]:
        item = self._item(event.item_id)
        if item is None:
            return []
        item.add_audio(event.frame.duration_ms)
        if self.own_turns and item.first_text_ms is None:
            item.live = True  # our own voice gives its words first; only a model is heard before its words are known
        item.first_audio_ms = at_ms if item.first_audio_ms is None else item.first_audio_ms
        return [Play(event.item_id, event.frame)]

    def _item_ended(self, at_ms: float, event: ev.AgentItemEnded) -> list[Command]:
        item = self._items.get(event.item_id)
        if item is None:
            return []
        item.ended = True
        if item.audio_ms > 0:
            return [EndItem(event.item_id)]
        return [*self._close(at_ms, item, interrupted=False), TellState("listening")]

    # --- playout ---

    def _started(self, at_ms: float, event: ev.PlayoutStarted, take_timer: TakeTimer) -> list[Command]:
        item = self._items.get(event.item_id)
        if item is None:
            return []
        begins = self._begin(at_ms, item)
        commands: list[Command] = [TellAudio("begin", item.item_id), TellState("speaking")]
        if not self._first_audio_noted:
            self._first_audio_noted = True
            commands.append(Note(journal.FirstAudio(at_ms=round(at_ms, 1))))
        return commands + (self._time_answer(at_ms, item, take_timer) if begins else [])

    def _begin(self, at_ms: float, item: SpokenItem) -> bool:
        """The item has the floor from now on, and takes its number among the turns; False when it has had it before."""
        if item.began_at_ms is not None:
            return False
        item.began_at_ms = at_ms
        item.turn = self._ledger.take_index() if item.text else None
        return True

    def _time_answer(self, at_ms: float, item: SpokenItem, take_timer: TakeTimer) -> list[Command]:
        timer = take_timer()
        if timer is None or (item.live and at_ms - timer.voice_end_ms > _LIVE_ANSWER_MS):
            return []
        return self._time(at_ms, item, timer)

    def _time(self, at_ms: float, item: SpokenItem, timer: TurnTimer) -> list[Command]:
        """From the caller's voice to the item's first sound at ``at_ms``. A model that answers speech with speech has no stages inside."""
        marks = TurnTimer(timer.voice_end_ms) if item.live else replace(timer, text_ms=item.first_text_ms)
        stages = replace(marks, audio_ms=item.first_audio_ms).stages(at_ms)
        self._stages[item.item_id] = stages
        return [TellLatency(stages.model_dump())]

    def _heard(self, at_ms: float, event: ev.Heard) -> list[Command]:
        item = self._items.get(event.item_id)
        if item is None:
            return []
        before = item.sentences_heard()
        item.heard_ms = max(item.heard_ms, event.heard_ms)
        if item.sentences_heard() == before:
            return []
        return [self._note(at_ms, item, interrupted=False)]

    def _stopped(self, at_ms: float, event: ev.PlayoutStopped) -> list[Command]:
        stopped = [item for item in self._items.values() if item.audio_ms > 0 or item.item_id == event.item_id]
        rest: list[str] = []
        commands: list[Command] = [TellAudio("clear", event.item_id, event.heard_ms)]
        for item in stopped:
            item.heard_ms = event.heard_ms if item.item_id == event.item_id else 0.0
            rest.append("" if item.live else item.unheard_text())
            commands += self._close(at_ms, item, interrupted=True)
            commands.append(SendToEngine(Interrupted(item.item_id, item.heard_text())))
        if self._onset_ms is not None:
            self._rest = " ".join(part for part in rest if part)
            commands.append(self._note_interruption(at_ms, self._onset_ms))
            self._onset_ms = None
        return commands

    def _note_interruption(self, at_ms: float, onset_ms: float) -> Note:
        stop_ms = round(max(0.0, at_ms - onset_ms), 1)
        self.overlap_ms = round(self.overlap_ms + stop_ms, 1)
        self._last_interruption = journal.Interrupted(at_ms=round(onset_ms, 1), stop_ms=stop_ms)
        return Note(self._last_interruption)

    # --- closing ---

    def _close(self, at_ms: float, item: SpokenItem, *, interrupted: bool) -> list[Command]:
        del self._items[item.item_id]
        self._closed.add(item.item_id)
        self._had_a_say = self._had_a_say or item.began_at_ms is not None
        if self.text_only and item.audio_ms == 0:
            interrupted = False
        if not item.text:
            return []
        heard = item.text if item.audio_ms == 0 and self.text_only else item.heard_text()
        told = self._tell(at_ms, item, heard if interrupted else item.text, final=True, interrupted=interrupted)
        if item.began_at_ms is None:
            return [told]
        return [self._note(at_ms, item, interrupted=interrupted), told]

    def _note(self, at_ms: float, item: SpokenItem, *, interrupted: bool) -> Note:
        if item.turn is None:
            item.turn = self._ledger.take_index()
        begin_ms = item.began_at_ms or 0.0
        read = item.audio_ms == 0 and self.text_only
        turn = Turn(
            i=item.turn,
            role="agent",
            start_ms=round(begin_ms, 1),
            end_ms=round(at_ms if read else max(begin_ms, at_ms), 1),
            text=item.text,
            heard_text=item.text if read else item.heard_text(),
            heard_ms=round(item.heard_ms, 1),
            interrupted=interrupted,
            typed=read,
            engine=self.engine,
            stages=self._stages.get(item.item_id),
        )
        return self._ledger.note(turn)

    def _tell(self, at_ms: float, item: SpokenItem, text: str, *, final: bool, interrupted: bool = False) -> TellTranscript:
        begin_ms = at_ms if item.began_at_ms is None else item.began_at_ms
        return TellTranscript("agent", item.item_id, text, final, round(begin_ms, 1), round(at_ms, 1), interrupted)
