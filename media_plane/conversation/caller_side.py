"""The caller's half of the floor: what they say or type, and how long they have waited for an answer."""

from __future__ import annotations

import re

from media_plane.conversation import events as ev
from media_plane.conversation.commands import CallerTurn, Command, SendToEngine, TellState, TellTranscript
from media_plane.conversation.latency import TurnTimer
from media_plane.conversation.ledger import TurnLedger
from nexus.domain.session import Turn
from nexus.domain.tenant import TenantConfig

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
    """What the caller said last, and whether it waits for an answer."""

    def __init__(self, ledger: TurnLedger, config: TenantConfig) -> None:
        self._ledger = ledger
        self._config = config
        self._unanswered = ""
        self._waiting_since_ms: float | None = None
        self._timer: TurnTimer | None = None
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
        """The wait begins anew (a tool has ended, an engine took over)."""
        if self._unanswered or self._waiting_since_ms is not None:
            self._waiting_since_ms = at_ms

    def give_up_waiting(self) -> None:
        """The engine was given up: the wait goes on with the next one."""
        self._waiting_since_ms = None

    def take_timer(self) -> TurnTimer | None:
        """The marks of the answer that begins now; given once."""
        timer, self._timer = self._timer, None
        return timer

    def speech(self, at_ms: float, event: ev.CallerSpeech, *, own_turns: bool) -> list[Command]:
        """A fact about the caller's voice."""
        commands: list[Command] = [SendToEngine(event)]
        self.speaking = event.kind != "ended"
        if event.kind == "started":
            commands.append(TellState("listening"))
        if event.kind == "ended":
            self._timer = TurnTimer(voice_end_ms=event.voice_end_ms, endpoint_ms=at_ms)
            if not own_turns:
                self._waiting_since_ms = at_ms
                commands.append(TellState("thinking"))
        return commands

    def transcript(self, at_ms: float, event: ev.CallerTranscript, *, own_turns: bool, after_barge_in: bool) -> list[Command]:
        """Words of the caller. Afterwards ``took_floor`` tells whether they are to be answered."""
        item_id = f"caller_{self._ledger.next_index}"
        if not event.final:
            return [TellTranscript("caller", item_id, event.text, False, event.voice_start_ms, event.voice_end_ms)]
        backchannel = after_barge_in and is_backchannel(event.text)
        self.took_floor = bool(event.text) and not backchannel
        if self._timer is not None:
            self._timer.transcript_ms = at_ms
        if not self.took_floor:
            self._waiting_since_ms, self._timer = None, None
        if not event.text:
            return []
        commands = self._note(at_ms, event, item_id, backchannel=backchannel)
        if self.took_floor and not own_turns:
            commands += self._ask(at_ms, event.text, typed=False)
        return commands

    def typed(self, at_ms: float, text: str) -> list[Command]:
        """Text typed on the socket: always a turn of its own."""
        event = ev.CallerTranscript(text=text, final=True, voice_start_ms=at_ms, voice_end_ms=at_ms)
        self._timer = TurnTimer(voice_end_ms=at_ms, endpoint_ms=at_ms, transcript_ms=at_ms)
        commands = self._note(at_ms, event, f"caller_{self._ledger.next_index}", backchannel=False, typed=True)
        return [*commands, *self._ask(at_ms, text, typed=True), TellState("thinking")]

    def answered(self, at_ms: float, event: ev.AgentText | ev.AgentAudio) -> None:
        """The engine gives something: the wait is over, and the answer's marks are set."""
        self._waiting_since_ms, self._unanswered = None, ""
        if self._timer is None:
            return
        if isinstance(event, ev.AgentText) and self._timer.text_ms is None:
            self._timer.text_ms = at_ms
        if isinstance(event, ev.AgentAudio) and self._timer.audio_ms is None:
            self._timer.audio_ms = at_ms

    def ask_again(self, at_ms: float) -> list[Command]:
        """Another engine took over: it gets what was not answered."""
        return self._ask(at_ms, self._unanswered, typed=True) if self._unanswered else []

    def _ask(self, at_ms: float, text: str, *, typed: bool) -> list[Command]:
        self._unanswered, self._waiting_since_ms = text, at_ms
        return [SendToEngine(CallerTurn(text, typed))]

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
