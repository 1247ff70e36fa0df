"""The call as a pure machine: one event in, the commands it leads to out.

It keeps who holds the floor, what the agent says and how much of it was heard, which tools run, and every limit of the call. It has
no clock and does no I/O: ``at_ms`` counts from connection and never steps back. The same events in the same order always give the
same commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from media_plane.conversation import events as ev
from media_plane.conversation.agent_side import AgentSide
from media_plane.conversation.caller_side import CallerSide
from media_plane.conversation.commands import (
    AbandonEngine,
    CallerTurn,
    Command,
    DropRecording,
    EndCall,
    Note,
    Say,
    SendToEngine,
    StopPlayout,
    TellMode,
    TellState,
    ToolOutcome,
)
from media_plane.conversation.consent import refuses_recording
from media_plane.conversation.ledger import TurnLedger
from media_plane.conversation.lines import LineDesk
from media_plane.conversation.tool_desk import ToolDesk
from nexus.domain.call import EndReason
from nexus.domain.journal import Ended, FaultNoted, ModeNoted, RecordingNoted, RotationNoted
from nexus.domain.session import AudioFacts, CallFault, EngineRotation, ModeChange, RecordingTrace, Turn
from nexus.domain.tenant import TenantConfig

_LEFT = {
    "hangup": EndReason.CALLER_HANGUP,
    "lost": EndReason.CALLER_LOST,
    "idle": EndReason.IDLE_SOCKET,
    "protocol": EndReason.PROTOCOL_ERROR,
}
_HANG_UP_GRACE_MS = 15_000.0


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The clocks of a call, milliseconds."""

    max_duration_ms: float
    engine_mute_ms: float = 5_000.0
    filler_after_ms: float = 800.0
    filler_every_ms: float = 3_500.0


class Conversation:
    """One call. ``handle`` every event in the order in which it happened, do every command in the order given."""

    def __init__(self, config: TenantConfig, limits: CallLimits) -> None:
        self._config = config
        self._limits = limits
        self._ledger = TurnLedger()
        self._agent = AgentSide(self._ledger)
        self._caller = CallerSide(self._ledger)
        self._lines = LineDesk()
        self._tools = ToolDesk(config, limits.filler_after_ms, limits.filler_every_ms)
        self._engine = ev.EngineReady(engine="", voice=False, own_turns=False)
        self._hang_up: tuple[EndReason, float] | None = None
        self._end_reason: EndReason | None = None
        self._quiet_since_ms = 0.0
        self._prompts = 0
        self._audio = ev.AudioCounted(AudioFacts())
        self._dropped_ms = 0.0
        self._unrecorded = False
        self._handlers: dict[type[Any], Callable[[float, Any], list[Command]]] = {
            ev.CallerSpeech: self._on_speech,
            ev.BargeInDetected: self._on_barge_in,
            ev.CallerTranscript: self._on_transcript,
            ev.CallerTyped: self._on_typed,
            ev.EngineReady: self._on_engine_ready,
            ev.ToolRequested: lambda at, event: self._tools.requested(at, event, self._ledger.asked_index),
            ev.ToolFinished: self._on_tool_finished,
            ev.PlayoutFinished: self._on_playout_finished,
            ev.LineOrdered: self._on_line,
            ev.Tick: self._on_tick,
        }

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns so far, in the order of time: what an engine that takes over must know."""
        return self._ledger.turns

    @property
    def outcomes(self) -> tuple[ToolOutcome, ...]:
        """The tools that have ended so far, for an engine that takes over."""
        return self._tools.outcomes

    @property
    def notes(self) -> tuple[str, ...]:
        """What the agent was told by somebody outside, for an engine that takes over."""
        return self._lines.known

    @property
    def end_reason(self) -> EndReason | None:
        """Why the call ended, once it has."""
        return self._end_reason

    def begin(self) -> list[Command]:
        """The caller is connected, the engine not yet: they are told so, and of no other state before the engine is ready."""
        return [TellState("connecting")]

    def handle(self, at_ms: float, event: ev.Event) -> list[Command]:
        """Take one event. After the end only what completes the record is still taken: tools that finish and the audio counters."""
        if self._end_reason is not None and not isinstance(event, ev.ToolFinished | ev.AudioCounted | ev.PlayoutStopped):
            return []
        handler = self._handlers.get(type(event), self._on_other)
        commands = handler(at_ms, event)
        return commands if self._engine.engine else [command for command in commands if not isinstance(command, TellState)]

    def finish(self, at_ms: float) -> list[Command]:
        """Close what is open and write the last entry; call once, after the end and after the last tool."""
        commands = self._agent.close_all(at_ms)
        commands += self._tools.close_all(at_ms)
        ended = Ended(
            at_ms=round(at_ms, 1),
            reason=self._end_reason or EndReason.INTERNAL_ERROR,
            audio=self._audio_facts(),
            caller_talk_ms=self._ledger.talk_ms("caller"),
            agent_talk_ms=self._ledger.talk_ms("agent"),
            overlap_ms=self._agent.overlap_ms,
            slot_ms=round(self._audio.slot_ms, 1),
        )
        return [*commands, Note(ended)]

    def _audio_facts(self) -> AudioFacts:
        facts = self._audio.facts
        return facts.model_copy(update={"in_dropped_ms": round(facts.in_dropped_ms + self._dropped_ms, 1)})

    # --- caller ---

    def _on_speech(self, at_ms: float, event: ev.CallerSpeech) -> list[Command]:
        self._quiet_since_ms, self._prompts = at_ms, 0
        commands = self._caller.speech(at_ms, event, agent_speaking=self._agent.speaking)
        if event.kind == "paused" and self._engine.own_turns:
            commands += self._agent.answered_early(event.voice_end_ms, self._caller.take_timer)
        return commands

    def _on_barge_in(self, at_ms: float, event: ev.BargeInDetected) -> list[Command]:
        if not self._interruptible() or self._agent.talks_over(event.onset_ms):
            return []
        self._agent.interrupted_from(event.onset_ms)
        return [StopPlayout()]

    def _interruptible(self) -> bool:
        if not self._config.barge_in.enabled or not self._agent.speaking:
            return False
        greeting = bool(self._greeting) and not self._agent.had_a_say
        return not greeting or (self._config.barge_in.greeting_interruptible and not self._consent_line)

    @property
    def _consent_line(self) -> str:
        """What the caller must have heard before anything else."""
        return self._config.recording.consent_line if self._config.recording.enabled else ""

    @property
    def _greeting(self) -> str:
        greeting = self._config.greeting if self._config.first_speaker == "agent" else ""
        return " ".join(part for part in (self._consent_line, greeting) if part)

    def _on_transcript(self, at_ms: float, event: ev.CallerTranscript) -> list[Command]:
        interrupting = self._agent.interrupted_by(event)
        speaking = self._agent.speaking
        first = not self._ledger.caller_has_spoken
        commands = self._caller.transcript(at_ms, event, after_barge_in=interrupting, agent_speaking=speaking)
        if not event.final:
            return commands
        if self._refuses(event.text, first=first):
            return self._refused(at_ms, commands)
        if not self._caller.took_floor:
            told: list[Command] = [] if speaking else [TellState("listening")]
            return [*commands, *told, *(self._agent.resume() if interrupting else [])]
        if interrupting:
            self._agent.forget_interruption()
        return commands

    def _on_typed(self, at_ms: float, event: ev.CallerTyped) -> list[Command]:
        self._quiet_since_ms, self._prompts = at_ms, 0
        stop: list[Command] = [StopPlayout()] if self._agent.speaking else []
        self._agent.forget_interruption()
        first = not self._ledger.caller_has_spoken
        commands = self._caller.typed(at_ms, event.text)
        return [*stop, *(self._refused(at_ms, commands) if self._refuses(event.text, first=first) else commands)]

    def _refuses(self, text: str, *, first: bool) -> bool:
        recording = self._config.recording
        if not recording.enabled or self._unrecorded:
            return False
        return refuses_recording(text, asked=first and "?" in recording.consent_line)

    def _refused(self, at_ms: float, commands: list[Command]) -> list[Command]:
        """The caller does not agree to the recording: nothing of it is kept, and the call goes on without, or ends."""
        self._unrecorded = True
        dropped: list[Command] = [Note(RecordingNoted(trace=RecordingTrace(status="refused"))), DropRecording()]
        phrases, goes_on = self._config.phrases, self._config.recording.on_refusal == "unrecorded"
        words = phrases.recording_stopped if goes_on else phrases.recording_required
        say: list[Command] = [SendToEngine(Say(words))] if words else []
        self._agent.forget_interruption()
        if goes_on:
            return [*dropped, *say, *commands]
        self._caller.give_up_waiting()
        kept = [one for one in commands if not (isinstance(one, SendToEngine) and isinstance(one.value, CallerTurn))]
        if not words or not self._engine.engine:
            return [*dropped, *kept, *self._end(EndReason.CONSENT_REFUSED)]
        self._hang_up = (EndReason.CONSENT_REFUSED, at_ms + _HANG_UP_GRACE_MS)
        stop: list[Command] = [StopPlayout()] if self._agent.speaking else []
        return [*dropped, *kept, *stop, *say]

    # --- engine, tools, playout ---

    def _on_engine_ready(self, at_ms: float, event: ev.EngineReady) -> list[Command]:
        before, self._engine = self._engine, event
        self._quiet_since_ms = at_ms
        self._caller.own_turns = self._agent.own_turns = event.own_turns
        self._agent.text_only = not event.voice
        self._agent.engine = event.engine
        commands: list[Command] = []
        still_text = bool(before.engine) and not before.voice and not event.voice
        as_ordered = not before.engine and event.voice and not event.reason
        if not still_text and not as_ordered:
            commands += self._mode_changed(at_ms, "voice" if event.voice else "text_only", event.reason)
        if not before.engine:
            commands += [TellState("listening"), *self._greet(), *self._caller.ask_again(at_ms)]
        else:
            commands += self._taken_over(at_ms, both_voice=before.voice and event.voice)
        return commands + self._lines.engine_ready(at_ms)

    def _on_line(self, at_ms: float, event: ev.LineOrdered) -> list[Command]:
        commands = self._lines.ordered(at_ms, event, agent_speaking=self._agent.speaking)
        if any(isinstance(command, StopPlayout) for command in commands):
            self._agent.forget_interruption()
        if event.order.kind == "say":
            self._quiet_since_ms = at_ms
        return commands

    def _taken_over(self, at_ms: float, *, both_voice: bool) -> list[Command]:
        """Another engine stands where one was lost: what the lost one had begun is closed, and the caller is not left in silence."""
        cut_off = self._agent.cut_off
        commands: list[Command] = [TellState("speaking" if self._agent.speaking else "listening")]
        commands += self._agent.close_unheard(at_ms)
        asked = self._asked_anew(at_ms)
        if not asked or self._caller.speaking:
            self._caller.take_timer()  # nothing is owed to what was said before, so what is said next is no answer to it
        if both_voice and self._hang_up is None and not self._agent.was_heard:
            commands += self._greet()
        elif both_voice and self._hang_up is None and (cut_off or not asked) and self._config.phrases.engine_changed:
            commands.append(SendToEngine(Say(self._config.phrases.engine_changed)))
        return commands + self._tools.taken_over(self._engine.known_outcomes) + asked

    def _asked_anew(self, at_ms: float) -> list[Command]:
        """What the lost engine did not answer; where a tool was its answer, that tool's outcome is the answer of the next one too."""
        if not self._tools.answers(self._ledger.asked_index):
            return self._caller.ask_again(at_ms)
        self._caller.waiting_since(at_ms)
        return []

    def _greet(self) -> list[Command]:
        return [SendToEngine(Say(self._greeting))] if self._greeting else []

    @staticmethod
    def _mode_changed(at_ms: float, to: str, reason: str) -> list[Command]:
        change = ModeChange.model_validate({"to": to, "reason": reason, "at_ms": round(at_ms, 1)})
        return [Note(ModeNoted(change=change)), TellMode(change.to, reason)]

    def _on_tool_finished(self, at_ms: float, event: ev.ToolFinished) -> list[Command]:
        if event.ends_call and self._hang_up is None:
            self._hang_up = (EndReason.TOOL_REQUESTED_END, at_ms + _HANG_UP_GRACE_MS)
        self._caller.waiting_since(at_ms)
        return self._tools.finished(at_ms, event)

    def _on_playout_finished(self, at_ms: float, event: ev.PlayoutFinished) -> list[Command]:
        self._quiet_since_ms = at_ms
        commands = self._agent.finished(at_ms, event)
        if self._agent.speaking:
            return commands
        commands.append(TellState("tool" if self._tools.running else "listening"))
        return commands + self._hang_up_if_due(at_ms)

    def _on_other(self, at_ms: float, event: ev.Event) -> list[Command]:
        match event:
            case ev.CallerLeft():
                return self._end(_LEFT[event.how])
            case ev.EndOrdered():
                return self._farewell(at_ms, event.reason) if event.farewell else self._end(event.reason)
            case ev.HangUpRequested():
                self._hang_up = self._hang_up or (event.reason, at_ms + _HANG_UP_GRACE_MS)
                return self._hang_up_if_due(at_ms)
            case ev.EngineFlush():
                return [StopPlayout(), TellState("listening")] if self._agent.speaking else []
            case ev.EngineRotated():
                return [Note(RotationNoted(rotation=_rotation(at_ms, event)))]
            case ev.EngineNotice():
                return [_fault(at_ms, event, event.stage)]
            case ev.EngineFailed():
                self._lines.deaf = True
                return [_fault(at_ms, event, "engine"), TellState("connecting")]
            case ev.EngineDropped():
                self._dropped_ms += event.duration_ms
                return []
            case ev.AudioCounted():
                self._audio = event
                return []
            case _:
                return self._on_agent(at_ms, event)

    def _on_agent(self, at_ms: float, event: ev.Event) -> list[Command]:
        if isinstance(event, ev.AgentText | ev.AgentAudio) and self._agent.knows(event.item_id):
            self._caller.answered(at_ms)
        if isinstance(event, ev.AgentText) and not event.live and self._agent.knows(event.item_id):
            self._tools.agent_spoke(event.text)
        commands = self._agent.handle(at_ms, event, self._caller.take_timer)
        if isinstance(event, ev.AgentItemEnded) and not self._agent.speaking:
            self._quiet_since_ms = at_ms
            commands += self._hang_up_if_due(at_ms)
        return commands

    # --- time ---

    def _on_tick(self, at_ms: float, _event: ev.Tick) -> list[Command]:
        if at_ms >= self._limits.max_duration_ms:
            return self._end(EndReason.MAX_DURATION)
        if self._hang_up is not None and at_ms >= self._hang_up[1]:
            return self._end(self._hang_up[0])
        if self._is_mute(at_ms):
            self._caller.give_up_waiting()
            return [AbandonEngine("engine_mute", "The engine is connected but gave nothing in time.")]
        fillers = [] if self._agent.speaking or self._caller.speaking else self._tools.fillers(at_ms)
        return fillers or self._no_input(at_ms)

    def _is_mute(self, at_ms: float) -> bool:
        waited_too_long = bool(self._engine.engine) and self._caller.waited_ms(at_ms) > self._limits.engine_mute_ms
        return waited_too_long and not self._tools.running and not self._agent.speaking

    def _no_input(self, at_ms: float) -> list[Command]:
        waiting = self._engine.voice and not self._busy()
        if not waiting or at_ms - self._quiet_since_ms < self._config.limits.no_input_s * 1000.0:
            return []
        self._quiet_since_ms = at_ms
        prompts = self._config.phrases.no_input
        if self._prompts < len(prompts):
            self._prompts += 1
            return [SendToEngine(Say(prompts[self._prompts - 1]))]
        self._hang_up = (EndReason.NO_INPUT, at_ms + _HANG_UP_GRACE_MS)
        return [SendToEngine(Say(self._config.phrases.goodbye))]

    def _busy(self) -> bool:
        return self._agent.speaking or self._caller.speaking or self._tools.running or self._caller.waiting or self._hang_up is not None

    def _farewell(self, at_ms: float, reason: EndReason) -> list[Command]:
        """Say why the call must end, in place of what is being said; the call ends when that was heard, at the latest after a while."""
        words = self._config.phrases.must_end
        if not words or not self._engine.engine:
            return self._end(reason)
        self._hang_up = (reason, at_ms + _HANG_UP_GRACE_MS)
        stop: list[Command] = [StopPlayout()] if self._agent.speaking else []
        self._agent.forget_interruption()
        return [*stop, SendToEngine(Say(words))]

    def _hang_up_if_due(self, at_ms: float) -> list[Command]:
        if self._hang_up is None or self._agent.speaking or self._tools.running:
            return []
        return self._end(self._hang_up[0])

    def _end(self, reason: EndReason) -> list[Command]:
        self._end_reason = reason
        return [*([StopPlayout()] if self._agent.speaking else []), EndCall(reason)]


def _fault(at_ms: float, event: ev.EngineNotice | ev.EngineFailed, stage: str) -> Note:
    return Note(FaultNoted(fault=CallFault(code=event.code, stage=stage, message=event.message, at_ms=round(at_ms, 1))))


def _rotation(at_ms: float, event: ev.EngineRotated) -> EngineRotation:
    return EngineRotation(generation=event.generation, at_ms=round(at_ms, 1), gap_ms=round(event.gap_ms, 1), reason=event.reason)
