"""The only file of the media plane that names adapters: settings in, a running media plane out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from media_plane.bridge.call import Bridge, CallFacts, CallParts
from media_plane.bridge.engine_line import EngineLine, EngineMaker, EngineMakers, LinePolicy
from media_plane.conversation.machine import CallLimits, Conversation
from media_plane.dialogue.agent import TextAgent
from media_plane.engines.cascade import CascadeEngine
from media_plane.engines.scripted import Script, ScriptedEngine
from media_plane.engines.text import TextEngine
from media_plane.models.gemini import GeminiAccess, GeminiChat
from media_plane.models.scripted import ScriptedChat
from media_plane.playout import Playout
from media_plane.ports import CallBrief, CallerTransport, ChatModel, Socket, SpeechToText, TextToSpeech, VoiceEngine
from media_plane.server.admission import Admission, AdmissionStores, Doorkeeper, DoorPolicy
from media_plane.server.calls import CallServer, CallStores, ProcessFacts
from media_plane.speech.ear import Ear, EarSettings
from media_plane.speech.vad import InferenceSession, ScriptedDetector, SileroDetector
from media_plane.speech_models.piper import PiperVoice, VoiceSettings
from media_plane.speech_models.silero import load_silero
from media_plane.speech_models.whisper import EarSettings as WhisperSettings
from media_plane.speech_models.whisper import WhisperEar
from media_plane.tooling.processes import ToolProcesses, folder_sources
from media_plane.tooling.runner import TenantTools, ToolParts
from media_plane.transports.browser import CallFacts as WireFacts
from media_plane.transports.browser import NexusV1
from media_plane.transports.container import with_containers
from media_plane.transports.session import WireTransport
from media_plane.transports.simple_door import SimpleDoor, parse_output
from media_plane.transports.wire import PRODUCT_CODECS
from nexus.adapters.embedded import EmbeddedStores, call_pepper, ticket_public_keys
from nexus.clock import Clock
from nexus.domain.session import Opened
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError
from nexus.settings import EngineName, Settings

_log = logging.getLogger("nexus.wiring")
_CODECS = replace(PRODUCT_CODECS, decoder_for=with_containers(PRODUCT_CODECS.decoder_for))


@dataclass(frozen=True, slots=True)
class SpeechModels:
    """The models that all calls share. ``voice_detector`` None: a plain level detector stands in (no model installed)."""

    ear: SpeechToText
    voice: TextToSpeech
    voice_detector: InferenceSession | None


@dataclass(frozen=True, slots=True)
class MediaPlane:
    """A wired media plane."""

    doorkeeper: Doorkeeper
    calls: CallServer
    chat: ChatModel
    tools: ToolParts
    faults: tuple[str, ...]
    """What did not load; calls that need it go on as text."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models behind every call's ear, voice and dialogue."""

    speech: SpeechModels
    chat: ChatModel


@dataclass(frozen=True, slots=True)
class Instead:
    """What tests and benchmarks put in the place of what the settings name; None: as the settings say."""

    voice_engine: Callable[[], VoiceEngine] | None = None
    speech: SpeechModels | None = None
    chat: ChatModel | None = None


class CallWiring:
    """Makes the parts of one call (``media_plane.server.calls.CallFactory``)."""

    def __init__(self, settings: Settings, models: Models, tools: ToolParts, stores: EmbeddedStores, instead: Instead) -> None:
        self._settings = settings
        self._speech = models.speech
        self._chat = models.chat
        self._instead = instead
        self._tools = tools
        self._stores = stores
        self._clock = tools.clock

    async def transport(self, socket: Socket, admission: Admission) -> tuple[WireTransport, tuple[str, ...]]:
        """The caller's transport, and what it is greeted with."""
        call_id, tenant_id = admission.entry.call_id, admission.config.tenant_id
        if admission.door == "simple":
            door = SimpleDoor(call_id, tenant_id, _CODECS, parse_output(admission.output))
            return WireTransport(socket, door), door.connected()
        limits = admission.config.limits
        facts = WireFacts(call_id, tenant_id, int(_max_duration_s(admission)), limits.idle_timeout_s)
        return WireTransport(socket, NexusV1(facts, _CODECS)), ()

    async def bridge(self, transport: CallerTransport, admission: Admission, opened: Opened) -> Bridge:
        """Everything else of the call."""
        config = admission.config
        tools = TenantTools(config, opened.call_id, self._tools)
        specs = await tools.tools()
        policy = LinePolicy(
            connect_timeout_ms=self._settings.engine_connect_timeout_s * 1000,
            attempts=self._settings.engine_connect_attempts,
            retry_delay_ms=self._settings.engine_retry_delay_s * 1000,
            return_interval_ms=self._settings.engine_return_interval_s * 1000,
        )
        parts = CallParts(
            transport=transport,
            line=EngineLine(EngineMakers((EngineMaker(self._voice_engine),), self._text_engine), policy, self._clock),
            playout=Playout(),
            tools=tools,
            ear=Ear(self._detector(), EarSettings(sensitivity=config.barge_in.sensitivity)),
            journal=self._stores.journal,
        )
        limits = CallLimits(max_duration_ms=_max_duration_s(admission) * 1000, engine_mute_ms=self._settings.engine_mute_s * 1000)
        facts = CallFacts(opened, config, admission.entry.order.caller.phone, specs)
        return Bridge(facts, parts, Conversation(config, limits), self._clock)

    def _voice_engine(self) -> VoiceEngine:
        if self._instead.voice_engine is not None:
            return self._instead.voice_engine()
        if self._settings.engine is EngineName.SCRIPTED:
            return ScriptedEngine(Script(echo=True), self._clock)
        return CascadeEngine(self._speech.ear, self._speech.voice, self._agent, self._clock)

    def _text_engine(self) -> VoiceEngine:
        return TextEngine(self._agent)

    def _agent(self, brief: CallBrief) -> TextAgent:
        return TextAgent(self._chat, brief, self._clock)

    def _detector(self) -> SileroDetector | ScriptedDetector:
        return ScriptedDetector() if self._speech.voice_detector is None else SileroDetector(self._speech.voice_detector)


def _max_duration_s(admission: Admission) -> float:
    limit = admission.config.limits.max_duration_s
    return min(limit, admission.entry.order.max_duration_s or limit)


@asynccontextmanager
async def media_plane(
    settings: Settings, stores: EmbeddedStores, clock: Clock, *, url: str = "", warm: bool = True, instead: Instead | None = None
) -> AsyncIterator[MediaPlane]:
    """A media plane that runs until the block is left: heartbeat, recovery and tools' children included.

    Args:
        url: under which other processes reach this one (empty: they do not).
        warm: load the speech models before the first call.
        instead: what takes the place of the settings' choice, in tests and benchmarks.

    Raises:
        StoreError: keys or stores cannot be read.
    """
    given = instead or Instead()
    speech, faults = (given.speech, ()) if given.speech is not None else await _speech_models(settings, warm=warm)
    process_id = stores.ids.new("proc")
    async with ToolProcesses(stores.tool_values) as processes:
        tools = ToolParts(processes, folder_sources(settings.tenants_dir), stores.effects, clock)
        chat = given.chat or chat_model(settings)
        calls = CallServer(
            CallStores(stores.ledger, stores.journal, stores.archive),
            CallWiring(settings, Models(speech, chat), tools, stores, given),
            ProcessFacts(process_id, url, settings.engine.value, settings.engine_slots, call_pepper(settings)),
            clock,
        )
        policy = DoorPolicy(process_id, ticket_public_keys(settings), settings.origins, settings.simple_door_open)
        doorkeeper = Doorkeeper(AdmissionStores(stores.tenants, stores.ledger, stores.ids), policy, clock)
        await calls.recover_journals()
        await calls.beat_once()
        beat = asyncio.create_task(calls.beat())
        try:
            yield MediaPlane(doorkeeper, calls, chat, tools, faults)
        finally:
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)


def chat_model(settings: Settings) -> ChatModel:
    """Gemini when the settings say so, else the scripted policy."""
    if not settings.uses_gemini:
        return ScriptedChat()
    return GeminiChat(
        GeminiAccess(
            api_key=settings.gemini_api_key.get_secret_value(),
            model=settings.gemini_model,
            base_url=settings.gemini_base_url,
            ca_file=settings.gemini_ca_file,
            timeout_s=settings.gemini_timeout_s,
        )
    )


def tools_for(parts: ToolParts, config: TenantConfig, conversation_id: str) -> TenantTools:
    """The tools of one conversation."""
    return TenantTools(config, conversation_id, parts)


async def _speech_models(settings: Settings, *, warm: bool) -> tuple[SpeechModels, tuple[str, ...]]:
    ear = WhisperEar(WhisperSettings(Path(settings.stt_model_dir) if settings.stt_model_dir else None, settings.speech_threads))
    voice = PiperVoice(VoiceSettings(Path(settings.voice_model_path) if settings.voice_model_path else None, settings.speech_threads))
    faults: list[str] = []
    detector: InferenceSession | None = None
    try:
        detector = await asyncio.to_thread(load_silero)
    except ConfigurationError as error:
        faults.append(error.public_message)
    if warm and settings.engine is EngineName.CASCADE:
        for result in await asyncio.gather(ear.warm_up(), voice.warm_up(), return_exceptions=True):
            if isinstance(result, ConfigurationError):
                faults.append(result.public_message)
            elif isinstance(result, BaseException):
                raise result
    for fault in faults:
        _log.error("%s", fault)
    return SpeechModels(ear, voice, detector), tuple(faults)
