"""The caller's half of the floor: what they say or type, and how long they have waited for an answer."""

from __future__ import annotations

import re

from media_plane.conversation import events as ev
from media_plane.conversation.commands import CallerTurn, Command, SendToEngine, TellState, TellTranscript
from media_plane.conversation.latency import TurnTimer
from media_plane.conversation.ledger import TurnLedger
from nexus.domain.session import Turn

_BACKCHANNELS = frozenset(
    [
        "uh-huh",
        "uh huh",
        "uhhuh",
        "mhm",
        "mm-hmm",
        "mm hmm",
        "mmhmm",
        "hmm",
        "mm",
        "mmm",
        "yeah",
        "yep",
        "okay",
        "ok",
        "right",
        "i see",
        "sure",
        "aha",
        "ah",
        "oh",
        "got it",
    ]
)


def is_backchannel(text: str) -> bool:
    """Whether the words only say "go on": they do not take the floor while the agent speaks."""
    words = re.sub(r"[^\w\s-]", " ", text.lower()).split()
    return bool(words) and len(words) <= 3 and (" ".join(words) in _BACKCHANNELS or all(word in _BACKCHANNELS for word in words))


class CallerSide:
    """What the caller said last, and whether it waits for an answer.

    ``own_turns``: the engine decides itself when to answer. It may begin long before the words are transcribed, so then the wait begins
    with the transcript, and only when nothing was given since the voice ended.
    """

    def __init__(self, ledger: TurnLedger) -> None:
        self._ledger = ledger
        self._unanswered = ""
        self._waiting_since_ms: float | None = None
        self._timer: TurnTimer | None = None
        self._voice_end_ms = 0.0
        self._answered_ms = -1.0
        self._utterances = 0
        self._open_id = ""
        self.own_turns = False
        self.speaking = False
        self.took_floor = False

    @property
    def waiting(self) -> bool:
        """Whether the caller waits for an answer."""
        return self._waiting_since_ms is not None

    def waited_ms(self, at_ms: float) -> float:
        """How long the caller has waited without any answer; 0 when they do not."""
        return 0.0 if self._waiting_since_ms is None else at_ms - self._waiting_since_ms

    def waiting_since(self, at_ms: float) -> None:
        """The wait begins anew (a tool has ended)."""
        if self._unanswered or self._waiting_since_ms is not None:
            self._waiting_since_ms = at_ms

    def give_up_waiting(self) -> None:
        """The engine was given up: the wait goes on with the next one."""
        self._waiting_since_ms = None

    def take_timer(self) -> TurnTimer | None:
        """The marks of the answer that begins now; given once."""
        timer, self._timer = self._timer, None
        return timer

    def speech(self, at_ms: float, event: ev.CallerSpeech, *, agent_speaking: bool) -> list[Command]:
        """A fact about the caller's voice."""
        commands: list[Command] = [SendToEngine(event)]
        self.speaking = event.kind != "ended"
        if event.kind == "started" and not agent_speaking:
            commands.append(TellState("listening"))
        if self.own_turns:
            self._time_voice(at_ms, event)
        elif event.kind == "ended":
            self._timer = TurnTimer(voice_end_ms=event.voice_end_ms, endpoint_ms=at_ms)
            self._waiting_since_ms = at_ms
            commands.append(TellState("thinking"))
        return commands

    def _time_voice(self, at_ms: float, event: ev.CallerSpeech) -> None:
        """The time to an answer runs from each silence of the voice, for the model may take any of them for the end."""
        if event.kind in ("started", "resumed"):
            self._timer, self._waiting_since_ms = None, None
        elif event.kind == "paused" or event.voice_end_ms != self._voice_end_ms:
            self._timer = TurnTimer(voice_end_ms=event.voice_end_ms)
        if event.kind in ("paused", "ended"):
            self._voice_end_ms = event.voice_end_ms
        if event.kind == "ended" and self._timer is not None:
            self._timer.endpoint_ms = at_ms

    def transcript(self, at_ms: float, event: ev.CallerTranscript, *, after_barge_in: bool, agent_speaking: bool) -> list[Command]:
        """Words of the caller. Afterwards ``took_floor`` tells whether they are to be answered."""
        item_id = self._item_id()
        if not event.final:
            return [TellTranscript("caller", item_id, event.text, False, event.voice_start_ms, event.voice_end_ms)]
        backchannel = after_barge_in and is_backchannel(event.text)
        self.took_floor = bool(event.text) and not backchannel
        self._mark_transcript(at_ms, event)
        if not self.took_floor:
            self._waiting_since_ms = at_ms if self._unanswered else None
        if not event.text:
            return []
        self._open_id = ""
        commands = self._note(at_ms, event, item_id, backchannel=backchannel)
        if self.took_floor:
            commands += self._ask(at_ms, event.text, typed=False)
            if self.own_turns and (agent_speaking or self._answered_ms >= self._end_of_voice(event)):
                self._unanswered, self._waiting_since_ms = "", None
        return commands

    def _end_of_voice(self, event: ev.CallerTranscript) -> float:
        """When the voice of these words fell silent; a model that transcribes by itself may not know, then it is as the ear found it."""
        return event.voice_end_ms if event.voice_end_ms > event.voice_start_ms else self._voice_end_ms

    def _mark_transcript(self, at_ms: float, event: ev.CallerTranscript) -> None:
        """Only the timer of this very utterance is marked or dropped: a later one may have ended before this one is transcribed."""
        if self._timer is None or (event.voice_end_ms and self._timer.voice_end_ms > event.voice_end_ms):
            return
        self._timer.transcript_ms = at_ms
        if not self.took_floor:
            self._timer = None

    def typed(self, at_ms: float, text: str) -> list[Command]:
        """Text typed on the socket: always a turn of its own."""
        event = ev.CallerTranscript(text=text, final=True, voice_start_ms=at_ms, voice_end_ms=at_ms)
        self._timer = TurnTimer(voice_end_ms=at_ms, endpoint_ms=at_ms, transcript_ms=at_ms)
        commands = self._note(at_ms, event, self._new_id(), backchannel=False, typed=True)
        return [*commands, *self._ask(at_ms, text, typed=True), TellState("thinking")]

    def answered(self, at_ms: float) -> None:
        """The engine gives something that can be heard: the wait is over."""
        self._waiting_since_ms, self._unanswered, self._answered_ms = None, "", at_ms

    def ask_again(self, at_ms: float) -> list[Command]:
        """Another engine took over: it gets what was not answered."""
        if not self._unanswered:
            self._waiting_since_ms = None
            return []
        self._waiting_since_ms = at_ms
        return [SendToEngine(CallerTurn(self._unanswered, typed=True)), TellState("thinking")]

    def _ask(self, at_ms: float, text: str, *, typed: bool) -> list[Command]:
        before = self._unanswered if self.own_turns else ""
        self._unanswered, self._waiting_since_ms = f"{before} {text}".strip(), at_ms
        return [SendToEngine(CallerTurn(text, typed))]

    def _item_id(self) -> str:
        """One for an utterance, from its first partial transcript to its last."""
        self._open_id = self._open_id or self._new_id()
        return self._open_id

    def _new_id(self) -> str:
        self._utterances += 1
        return f"caller_{self._utterances}"

    def _note(self, at_ms: float, event: ev.CallerTranscript, item_id: str, *, backchannel: bool, typed: bool = False) -> list[Command]:
        end_ms = event.voice_end_ms or at_ms
        turn = Turn(
            i=self._ledger.take_index(),
            role="caller",
            start_ms=round(event.voice_start_ms, 1),
            end_ms=round(end_ms, 1),
            text=event.text,
            heard_text=event.text,
            heard_ms=round(max(0.0, end_ms - event.voice_start_ms), 1),
            backchannel=backchannel,
            typed=typed,
            confidence=event.confidence,
        )
        return [self._ledger.note(turn), TellTranscript("caller", item_id, event.text, True, turn.start_ms, turn.end_ms)]
