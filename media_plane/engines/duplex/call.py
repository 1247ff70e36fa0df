"""One call of the duplex engine: the model's line, our ear, our voice and the agent beside, round the pure parts that decide."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from media_plane.conversation.commands import CallerAudio, CallerTurn, EngineInput, Inform, Interrupted, Say, ToolAnswer
from media_plane.conversation.events import (
    AgentAudio,
    AgentItemEnded,
    AgentText,
    CallerSpeech,
    CallerTranscript,
    EngineDropped,
    EngineEvent,
    EngineNotice,
    EngineRotated,
)
from media_plane.dialogue.notes import typed_note, unheard_note
from media_plane.dialogue.steps import AgentStep, HangUp, SentenceReady, ToolWanted
from media_plane.engines.answering import Agent, Answering
from media_plane.engines.duplex.beside import NoAgent, WatchedAgent
from media_plane.engines.duplex.claims import ClaimWatch
from media_plane.engines.duplex.corrections import Corrections
from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.gap import Gap
from media_plane.engines.duplex.hearing import CallerHearing
from media_plane.engines.duplex.line import ModelLine
from media_plane.engines.duplex.memory import Memory, note_fact, refuted_fact, tool_fact
from media_plane.engines.duplex.model_voice import Claimed, ModelVoice, ModelVoiceLimits, Out
from media_plane.engines.duplex.own_voice import OwnVoice
from media_plane.engines.listening import Listener, ListeningLimits
from media_plane.engines.outbox import Outbox
from media_plane.engines.speaking import Speaker, SpeakingLimits
from media_plane.engines.supervision import Job
from media_plane.ports.chat import ToolCall
from media_plane.ports.engine import CallBrief
from media_plane.ports.speech import SpeechToText, TextToSpeech
from media_plane.ports.speech_line import (
    LineDropped,
    LineEvent,
    LineGap,
    LineLost,
    LineNotice,
    LineRotated,
    ModelAudio,
    ModelBrief,
    ModelFlush,
    ModelHeard,
    ModelText,
)
from media_plane.streams import closing
from nexus.clock import Clock
from nexus.errors import UpstreamError

AgentFactory = Callable[[CallBrief], Agent]
_ANSWER_DUE_MS = 2_500.0
"""So long after the caller has spoken the model's answer is awaited: a session that has not heard the question would never give it."""
_TOLD_AFTER_MS = 300.0
"""How long after its end an item may still turn out to have been cut short."""
_MOST_TOLD = 64
_STILL_ASKED_MS = 15_000.0
"""So long words of the caller may have waited for an answer; what got none by then needs none."""


@dataclass(frozen=True, slots=True)
class DuplexParts:
    """What stands beside the model.

    ``ear`` None: the line itself tells what the caller said (``ModelHeard``); where it does so all the same, it is believed.
    ``agent_factory`` None: nobody answers what is typed. ``beside``: the agent is asked at every turn of the caller; False: only at
    typed ones, which no speech model can hear.
    """

    ear: SpeechToText | None
    voice: TextToSpeech
    agent_factory: AgentFactory | None = None
    beside: bool = True


@dataclass(frozen=True, slots=True)
class DuplexLimits:
    """``warm_up_s``: how long loading ear and voice may take. ``tick_ms``: how often time is looked at. ``close_s``: for the line."""

    listening: ListeningLimits = field(default_factory=ListeningLimits)
    speaking: SpeakingLimits = field(default_factory=SpeakingLimits)
    model: ModelVoiceLimits = field(default_factory=ModelVoiceLimits)
    warm_up_s: float = 60.0
    tick_ms: float = 100.0
    close_s: float = 4.0


class DuplexCall:
    """Made when the engine starts. ``jobs`` run under its supervision; ``take`` and ``events`` are its two doors."""

    def __init__(self, brief: CallBrief, line: ModelLine, parts: DuplexParts, clock: Clock, limits: DuplexLimits, outbox: Outbox) -> None:
        self._line = line
        self._clock = clock
        self._tick_ms = limits.tick_ms
        self._timezone = brief.config.timezone
        self._fillers = brief.config.phrases.filler
        self._gap = Gap(self._fillers)
        self._beside = parts.beside and parts.agent_factory is not None
        self._outbox = outbox
        self._memory = Memory(brief)
        self._watch = ClaimWatch(brief.tools)
        for outcome in brief.outcomes:
            if not outcome.failed:
                self._watch.done(outcome.name, outcome.output, outcome.arguments)
        self._floor = Floor(beside=self._beside)
        self._model = ModelVoice(f"{brief.item_prefix}m", self._floor, self._watch, limits.model)
        settings = brief.config.voice_settings
        listener = Listener(parts.ear, outbox, settings.language, limits.listening) if parts.ear is not None else None
        self._hearing = CallerHearing(listener, outbox, clock)
        self._speaker = Speaker(parts.voice, outbox, clock, settings, limits.speaking)
        self._own = OwnVoice(self._speaker, self._floor, self._model, clock)
        agent = parts.agent_factory(brief) if parts.agent_factory is not None else NoAgent()
        self._answering = Answering(WatchedAgent(agent, self), self._own, outbox, f"{brief.item_prefix}a")
        self._corrections = Corrections(f"{brief.item_prefix}c", self._floor, self._own, self._answering, beside=self._beside)
        self._tools: dict[str, ToolCall] = {}
        self._untold: dict[str, float] = {}
        self._told: deque[str] = deque(maxlen=_MOST_TOLD)
        self._caller_began_ms = 0.0
        self._model_missed_words = False
        self._caller_speaks = False
        self._answer_due_ms = 0.0
        self._was_busy = False

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What runs from start to close."""
        return (*self._hearing.jobs, self._speaker.run, self._answering.run, self._corrections.run, self._pump, self._tick)

    def model_brief(self, generation: int) -> ModelBrief:
        """What the model's session is told."""
        now = self._clock.now().astimezone(ZoneInfo(self._timezone))
        return replace(self._memory.model_brief(generation), now=now)

    # --- inputs --------------------------------------------------------------------------------------------------------------

    async def take(self, value: EngineInput) -> None:
        """Take one input."""
        match value:
            case CallerAudio():
                self._hearing.audio(value.frame)
                if not value.late:
                    self._line.send(value)
                elif value.frame.pcm.strip(b"\0"):  # the caller's own sound, not the silence that stands in for it
                    await self._outbox.put(EngineDropped(value.frame.duration_ms))
                return
            case CallerSpeech():
                self._caller_speech(value)
                await self._hearing.speech(value)
            case CallerTurn():
                self._caller_turn(value)
            case Say():
                self._answering.say(value)
            case Inform(text):
                self._memory.fact(note_fact(text))
                self._line.refresh()
                self._answering.inform(text)
            case ToolAnswer():
                self._tool_answer(value)
            case Interrupted():
                self._interrupted(value)
        await self._act(self._model.tick(self._now()))

    def _caller_speech(self, fact: CallerSpeech) -> None:
        self._caller_speaks = fact.kind != "ended"
        if fact.kind == "started":
            self._caller_began_ms = self._now()
            self._memory.caller_begins()
            self._model.caller_begins(self._now())
        elif fact.kind == "paused":
            self._model.caller_pauses()
        else:
            self._answer_due_ms = self._now() + _ANSWER_DUE_MS

    def _caller_turn(self, turn: CallerTurn) -> None:
        self._watch.refresh(turn.text)
        self._model.caller_turn()
        self._tell_agent(self._caller_began_ms + _TOLD_AFTER_MS)
        if turn.typed:
            self._memory.caller_typed(turn.text)
        unheard = not turn.typed and self._gap.swallowed(self._caller_began_ms) and self._memory.unanswered(self._fillers) != ""
        if not self._beside and not turn.typed and not unheard:
            return
        self._corrections.turn()
        if turn.typed or unheard:
            self._model.forget_held(self._now())
        self._ask(self._noted(turn.text, typed=turn.typed, unheard=unheard))

    def _noted(self, text: str, *, typed: bool = False, unheard: bool = False) -> str:
        """What the agent is told: one that stands beside the model learns why it has to answer this one itself."""
        if not self._beside:
            return text
        return typed_note(text) if typed else unheard_note(text) if unheard else text

    def _line_lost(self) -> None:
        """Nobody hears the caller for a while; what the model owed them is now the agent's to answer."""
        now_ms = self._now()
        self._gap.begins(now_ms)
        owed = self._memory.unanswered(self._fillers) if now_ms - self._caller_began_ms <= _STILL_ASKED_MS else ""
        if owed and not self._caller_speaks and not self._tools and not self._floor.own_speaks(now_ms):
            self._ask(self._noted(owed, unheard=True))

    def _fill_gap(self) -> None:
        now_ms = self._now()
        works = self._caller_speaks or self._floor.agent_works or self._memory.awaits_words
        if filler := self._gap.filler(now_ms, quiet=not (works or self._floor.own_speaks(now_ms) or self._model.talks(now_ms))):
            self._floor.own_fills()
            self._answering.say(Say(filler, remember=False))

    def _ask(self, text: str) -> None:
        self._floor.turn()
        self._answering.turn(text)

    def _tool_answer(self, answer: ToolAnswer) -> None:
        call = self._tools.pop(answer.request_id, None)
        self._floor.tool_done(answer.request_id)
        if answer.name:  # an engine before this one asked for it
            call = ToolCall(answer.request_id, answer.name, answer.arguments)
            if answer.owed:
                self._floor.turn()
        if call is not None:
            if not answer.failed:
                self._watch.done(call.name, answer.output, call.arguments)
            self._memory.fact(tool_fact(call.name, answer.output, failed=answer.failed))
            self._line.refresh()
        self._answering.tool_answer(answer)

    def _interrupted(self, order: Interrupted) -> None:
        self._memory.heard(order.item_id, order.heard_text)
        if not self._model.is_mine(order.item_id):
            self._floor.own_stopped(self._now(), order.item_id)
            self._answering.interrupted(order.item_id, order.heard_text)
            return
        self._outbox.silence(order.item_id)
        self._model.interrupted(self._now(), order.item_id)
        if order.item_id not in self._told:
            self._untold[order.item_id] = 0.0
            self._tell_agent(0.0)

    # --- the model -----------------------------------------------------------------------------------------------------------

    async def _pump(self, _group: asyncio.TaskGroup) -> None:
        async with closing(self._line.events()) as events:
            async for event in events:
                await self._line_event(event)
        raise UpstreamError("engine_lost", "The line to the speech model ended without being asked")

    async def _line_event(self, event: LineEvent) -> None:
        match event:
            case ModelAudio(frame):
                await self._act(self._model.audio(self._now(), frame))
            case ModelText(text):
                await self._act(self._model.text(self._now(), text))
            case ModelHeard(text):
                await self._hearing.told(text)
            case ModelFlush():
                await self._act(self._model.void(self._now()))
            case LineGap():
                self._line_lost()
            case LineRotated():
                self._gap.ends(self._now())
                await self._act(self._model.void(self._now()))
                await self._outbox.put(EngineRotated(event.generation, event.gap_ms, event.reason))
            case LineDropped(duration_ms):
                await self._outbox.put(EngineDropped(duration_ms))
            case LineNotice():
                await self._outbox.put(EngineNotice(event.code, "engine", event.message))
            case LineLost():
                raise UpstreamError(event.code, event.message)

    async def _tick(self, _group: asyncio.TaskGroup) -> None:
        while True:
            await self._clock.sleep_ms(self._tick_ms)
            await self._act(self._model.tick(self._now()))
            await self._hearing.tick()
            self._fill_gap()
            if not self._memory.awaits_words:
                self._tell_agent(self._now())

    async def _act(self, outs: list[Out]) -> None:
        for out in outs:
            if isinstance(out, Claimed):
                await self._claimed(out.claim.text)
            else:
                await self._outbox.put(out)
        self._own.look()
        self._tell_line()

    async def _claimed(self, text: str) -> None:
        await self._corrections.claimed(text)
        await self._outbox.put(EngineNotice("false_confirmation", "engine", text))
        self._memory.fact(refuted_fact(text))
        self._line.refresh()

    def _tell_line(self) -> None:
        now_ms = self._now()
        if answered := self._floor.own_speaks(now_ms) or self._model.talks(now_ms):
            self._answer_due_ms = 0.0
        busy = self._caller_speaks or self._floor.agent_works or answered or now_ms < self._answer_due_ms
        if busy is not self._was_busy:
            self._was_busy = busy
            self._line.busy(busy)

    # --- the agent beside (AgentWatcher) -------------------------------------------------------------------------------------

    def answer_begins(self) -> None:
        """The agent takes up a turn."""
        self._corrections.answer_begins()
        self._floor.answer_begins()

    async def step(self, step: AgentStep) -> None:
        """It takes the floor with words or a tool."""
        if isinstance(step, SentenceReady | ToolWanted | HangUp):
            self._corrections.agent_gives()
        match step:
            case SentenceReady():
                self._floor.agent_speaks()
                self._model_missed_words = True
                self._model.forget_held(self._now())
            case ToolWanted(call):
                self._floor.tool_wanted(call.id)
                self._tools[call.id] = call
                await self._act(self._model.cut(self._now()))

    async def answer_given(self) -> None:
        """The answer is complete; without words the model is heard."""
        self._floor.answer_ends(called_off=await self._corrections.answer_given())
        if self._model_missed_words and not self._floor.agent_holds:  # it leads again, and has never heard our voice
            self._model_missed_words = False
            self._line.refresh()
        await self._act(self._model.tick(self._now()))

    def answer_called_off(self) -> None:
        """A newer turn, or an interruption, ended it."""
        self._floor.answer_ends(called_off=True)

    # --- outputs -------------------------------------------------------------------------------------------------------------

    async def events(self) -> AsyncIterator[EngineEvent]:
        """What goes out, noted as it does."""
        self._floor.attend()
        async with closing(self._outbox.events()) as events:
            async for event in events:
                self._note(event)
                yield event

    def _note(self, event: EngineEvent) -> None:
        match event:
            case AgentText():
                self._memory.agent(event.item_id, event.text, joins=event.joins)
            case AgentAudio() if not self._model.is_mine(event.item_id):
                self._floor.own_sounds(self._now(), event.frame.duration_ms)
            case AgentItemEnded():
                if not self._model.is_mine(event.item_id):
                    self._floor.own_ended(event.item_id)
                elif event.item_id not in self._told:
                    self._untold[event.item_id] = self._model.sounds_until_ms(self._now()) + _TOLD_AFTER_MS
            case CallerTranscript(text, True):
                self._memory.caller(text)
                self._model.caller_said(self._now(), text)

    def _tell_agent(self, due_ms: float) -> None:
        """What the model was heard to say is the agent's memory too: of items that were over by then."""
        for item_id in [item_id for item_id, over_ms in self._untold.items() if over_ms <= due_ms]:
            del self._untold[item_id]
            self._told.append(item_id)
            text = self._memory.text_of(item_id)
            if text:
                self._answering.overheard(item_id, text)

    def _now(self) -> float:
        return self._clock.monotonic_ms()
