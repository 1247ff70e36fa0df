"""The only file of the media plane that names adapters: settings in, a running media plane out."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from media_plane.bridge.call import Bridge, CallFacts, CallParts
from media_plane.bridge.engine_line import EngineLine
from media_plane.bridge.tape import NoTape
from media_plane.conversation.machine import CallLimits, Conversation
from media_plane.engine_wiring import EngineRoom, Models, Starter, engine_slots, needs_speech, other_slots
from media_plane.engine_wiring import SpeechModels as SpeechModels
from media_plane.models.gemini import GeminiAccess, GeminiChat
from media_plane.models.scripted import ScriptedChat
from media_plane.playout import Playout
from media_plane.ports.caller import CallerTransport, Socket
from media_plane.ports.chat import ChatModel
from media_plane.ports.engine import VoiceEngine
from media_plane.recording.room import RecordingRoom
from media_plane.server.admission import Admission, AdmissionStores, Doorkeeper, DoorPolicy
from media_plane.server.beside import beside
from media_plane.server.calls import CallServer, CallStores, ProcessFacts
from media_plane.server.health import Health
from media_plane.server.meter import Meter, Metering
from media_plane.server.news import CallNews, NoNews
from media_plane.server.priming import EngineStarts, Primer
from media_plane.server.protection import ProtectionNews, ProtectionTerms, Protector
from media_plane.server.rates import ConnectLimits
from media_plane.slots import SlotPool
from media_plane.speech.ear import Ear, EarSettings
from media_plane.speech.vad import InferenceSession, ScriptedDetector, SileroDetector
from media_plane.speech_models.piper import PiperVoice, VoiceSettings
from media_plane.speech_models.silero import load_silero
from media_plane.speech_models.whisper import EarSettings as WhisperSettings
from media_plane.speech_models.whisper import WhisperEar
from media_plane.stores import MediaStores
from media_plane.tooling.processes import ToolProcesses, folder_sources
from media_plane.tooling.runner import TenantTools, ToolParts
from media_plane.transports.browser import CallFacts as WireFacts
from media_plane.transports.browser import NexusV1
from media_plane.transports.container import with_containers
from media_plane.transports.session import WireTransport
from media_plane.transports.simple_door import SimpleDoor, parse_output
from media_plane.transports.wire import PRODUCT_CODECS
from nexus.adapters.ecs_agent import EcsProtection, read_task
from nexus.adapters.embedded import call_pepper, embedded_stores, seal_key, ticket_public_keys
from nexus.adapters.emf import EmfSink
from nexus.adapters.http_tools import GuardedHttpTools
from nexus.adapters.outbound import GuardedHttp, OutboundRules
from nexus.adapters.seal import AesSeal
from nexus.adapters.tenant_secrets import SealedSecrets
from nexus.clock import Clock
from nexus.domain.journal import Opened
from nexus.domain.tenant import TenantConfig, for_order
from nexus.errors import ConfigurationError
from nexus.ports.secrets import Seal
from nexus.settings.choices import ECS, MetricsName, ProtectionName, StoresName
from nexus.settings.values import Settings

_log = logging.getLogger("nexus.wiring")
_CODECS = replace(PRODUCT_CODECS, decoder_for=with_containers(PRODUCT_CODECS.decoder_for))


@dataclass(frozen=True, slots=True)
class MediaPlane:
    """A wired media plane."""

    doorkeeper: Doorkeeper
    calls: CallServer
    chat: ChatModel
    tools: ToolParts
    slots: SlotPool | None
    """The server processes of a sidecar engine; None for an engine without any."""
    faults: tuple[str, ...]
    """What did not load; calls that need it go on as text."""
    health: Health
    news: CallNews
    """Told what happens at the door."""


@dataclass(frozen=True, slots=True)
class Identity:
    """This process among the others. ``url``: under which they reach it (empty: they do not, and no socket is relayed)."""

    process_id: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Instead:
    """What tests and benchmarks put in the place of what the settings name; None: as the settings say."""

    voice_engine: Callable[[], VoiceEngine] | None = None
    speech: SpeechModels | None = None
    chat: ChatModel | None = None
    outbound: OutboundRules | None = None


@dataclass(frozen=True, slots=True)
class CallRooms:
    """What the parts of every call are made of."""

    speech: SpeechModels
    engines: EngineRoom
    slots: SlotPool | None
    other_slots: Mapping[str, SlotPool]
    primer: Primer | None
    tools: ToolParts
    recordings: RecordingRoom


class CallWiring:
    """Makes the parts of one call (``media_plane.server.calls.CallFactory``)."""

    def __init__(self, settings: Settings, rooms: CallRooms, stores: MediaStores) -> None:
        self._settings = settings
        self._rooms = rooms
        self._stores = stores
        self._clock = rooms.tools.clock

    async def transport(self, socket: Socket, admission: Admission) -> tuple[WireTransport, tuple[str, ...]]:
        """The caller's transport, and what it is greeted with."""
        call_id, tenant_id = admission.entry.call_id, admission.config.tenant_id
        if admission.door == "simple":
            door = SimpleDoor(call_id, tenant_id, _CODECS, parse_output(admission.output))
            return WireTransport(socket, door), door.connected()
        limits = admission.config.limits
        facts = WireFacts(call_id, tenant_id, int(_max_duration_s(self._settings, admission)), limits.idle_timeout_s)
        return WireTransport(socket, NexusV1(facts, _CODECS)), ()

    async def bridge(self, transport: CallerTransport, admission: Admission, opened: Opened) -> Bridge:
        """Everything else of the call."""
        config, rooms, call_id = for_order(admission.config, admission.entry.order), self._rooms, opened.call_id
        tools = TenantTools(config, call_id, rooms.tools)
        specs = await tools.tools()
        primed = rooms.primer.engine(call_id, config) if rooms.primer is not None else None
        makers = rooms.engines.makers(config, call_id, primed)
        parts = CallParts(
            transport=transport,
            line=EngineLine(makers, rooms.engines.policy(config), self._clock),
            playout=Playout(),
            tools=tools,
            ear=Ear(self._detector(), EarSettings(sensitivity=config.barge_in.sensitivity)),
            journal=self._stores.journal,
            slot_ms=partial(_slot_ms, rooms, call_id),
            tape=rooms.recordings.begin(call_id) if opened.recorded else NoTape(),
        )
        limits = CallLimits(
            max_duration_ms=_max_duration_s(self._settings, admission) * 1000, engine_mute_ms=self._settings.engine_mute_s * 1000
        )
        facts = CallFacts(opened, config, admission.entry.order.caller.phone, specs)
        return Bridge(facts, parts, Conversation(config, limits), self._clock)

    def _detector(self) -> SileroDetector | ScriptedDetector:
        detector = self._rooms.speech.voice_detector
        return ScriptedDetector() if detector is None else SileroDetector(detector)


def _slot_ms(rooms: CallRooms, call_id: str) -> float:
    """How long the call held processes of any engine. Asked once, at its end: the platform's own pool is cleared by the primer."""
    held_ms = 0.0 if rooms.slots is None else rooms.slots.held_ms(call_id)
    for pool in rooms.other_slots.values():
        held_ms += pool.held_ms(call_id)
        pool.forget(call_id)
    return held_ms


def _max_duration_s(settings: Settings, admission: Admission) -> float:
    limit = min(settings.call_cap_s, admission.config.limits.max_duration_s)
    return min(limit, admission.entry.order.max_duration_s or limit)


@contextmanager
def chosen_stores(settings: Settings) -> Iterator[MediaStores]:
    """The stores that the settings name, until the block is left; nothing is asked of them yet. Raises ConfigurationError."""
    if settings.stores is not StoresName.AWS:
        yield embedded_stores(settings)
        return
    try:
        from nexus.adapters.aws import AwsPlace, aws_stores  # boto3: not for a machine that keeps its state itself
    except ImportError as error:
        raise ConfigurationError("setting_invalid", "STORES=aws needs boto3: pip install 'nexus-voice-engine[aws]'.") from error
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")  # boto3 itself reads only the second
    if not region:
        raise ConfigurationError("setting_invalid", "AWS_REGION: STORES=aws needs the region of the table and the bucket.")
    stores = aws_stores(AwsPlace(settings.aws_table, settings.aws_bucket, region=region, fleet=settings.aws_fleet))
    try:
        yield stores
    finally:
        stores.close()


async def identity(settings: Settings, stores: MediaStores) -> Identity:
    """Who this process is: in ECS the task, elsewhere a fresh id. Raises ConfigurationError."""
    if settings.media_relay_url != ECS:
        return Identity(stores.ids.new("proc"), settings.media_relay_url)
    task = await read_task(_told_by_ecs("ECS_CONTAINER_METADATA_URI_V4", "MEDIA_RELAY_URL=ecs"))
    return Identity(task.process_id, f"ws://{task.address}:{settings.port}")


def _told_by_ecs(name: str, setting: str) -> str:
    told = os.environ.get(name, "")
    if not told:
        raise ConfigurationError("setting_invalid", f"{setting} is for tasks of ECS, which tells them {name}; here it is missing.")
    return told


@asynccontextmanager
async def media_plane(
    settings: Settings, stores: MediaStores, clock: Clock, *, who: Identity | None = None, warm: bool = True, instead: Instead | None = None
) -> AsyncIterator[MediaPlane]:
    """A media plane that runs until the block is left: heartbeat, recovery and tools' children included.

    Args:
        who: this process among the others; by default one that no other process reaches.
        warm: load the speech models before the first call.
        instead: what takes the place of the settings' choice, in tests and benchmarks.

    Raises:
        StoreError: keys or stores cannot be read.
    """
    given = instead or Instead()
    slots, others = engine_slots(settings, clock), other_slots(settings, clock)
    speech, faults = (given.speech, ()) if given.speech is not None else await _speech_models(settings, warm=warm)
    chat = given.chat or chat_model(settings)
    own = who or Identity(stores.ids.new("proc"))
    meter = Meter(own.process_id, clock) if settings.metrics is MetricsName.EMF else None
    news = meter or NoNews()
    async with ToolProcesses(stores.tool_values) as processes, _checked(slots, *others.values()):
        http = http_tools(settings, stores, clock, given.outbound)
        tools = ToolParts(processes, folder_sources(settings.tenants_dir), stores.effects, clock, http)
        engines = EngineRoom(settings, Models(speech, chat, news.engine_lags), slots, clock, given.voice_engine, others)
        starts = EngineStarts(engines.needs_slot, Starter(stores.tenants, engines, tools))
        primer = None if slots is None else Primer(slots, starts)
        recordings = RecordingRoom(settings.spool_dir, stores.recordings, clock)
        calls = CallServer(
            CallStores(stores.ledger, stores.journal, stores.archive, recordings),
            CallWiring(settings, CallRooms(speech, engines, slots, others, primer, tools, recordings), stores),
            ProcessFacts(own.process_id, own.url, settings.engine.value, partial(_room, settings, slots), call_pepper(settings)),
            clock,
            primer,
            news,
        )
        policy = DoorPolicy(
            own.process_id,
            ticket_public_keys(settings),
            settings.origins,
            settings.simple_door_open,
            settings.weights,
            relays=bool(own.url),
            rates=ConnectLimits(settings.connect_limit_tenant, settings.connect_limit_address, settings.trusted_proxies),
        )
        doorkeeper = Doorkeeper(AdmissionStores(stores.tenants, stores.ledger, stores.ids), policy, clock, primer)
        protector = _protector(settings, calls, clock, news)
        async with _metered(settings, meter, calls, clock), _protected(protector), _beating(calls, primer):
            yield MediaPlane(doorkeeper, calls, chat, tools, slots, faults, Health(calls, faults, slots), news)


def _protector(settings: Settings, calls: CallServer, clock: Clock, news: CallNews) -> Protector | None:
    """Who keeps the platform from stopping this process under a call. Raises ConfigurationError."""
    if settings.scale_in_protection is not ProtectionName.ECS:
        return None
    agent = EcsProtection(_told_by_ecs("ECS_AGENT_URI", "SCALE_IN_PROTECTION=ecs"))
    told = ProtectionNews(news.protection_failed, partial(setattr, calls, "yields"))
    return Protector(agent, ProtectionTerms.for_calls_of(settings.call_cap_s), calls.occupancy, clock, told)


@asynccontextmanager
async def _protected(protector: Protector | None) -> AsyncIterator[None]:
    """Protection follows the calls, and is taken off at the end."""
    if protector is None:
        yield
    else:
        async with beside(protector.run()):
            yield
        await protector.take_off()


@asynccontextmanager
async def _metered(settings: Settings, meter: Meter | None, calls: CallServer, clock: Clock) -> AsyncIterator[None]:
    """Figures are given, those of the last calls too."""
    if meter is None:
        yield
    else:
        metering = Metering(meter, calls, EmfSink(settings.aws_fleet), clock)
        async with beside(metering.run()):
            yield
        await metering.write()


@asynccontextmanager
async def _beating(calls: CallServer, primer: Primer | None) -> AsyncIterator[None]:
    """The process is in the ledger, and what it began in advance is let go at the end."""
    await calls.recover_journals()
    await calls.beat_once()
    try:
        async with beside(calls.beat()):
            yield
    finally:
        if primer is not None:
            await primer.close()


def _room(settings: Settings, slots: SlotPool | None) -> int:
    """How many calls this process can carry now."""
    return settings.engine_slots if slots is None else slots.usable


@asynccontextmanager
async def _checked(*pools: SlotPool | None) -> AsyncIterator[None]:
    """The server processes' health is known, and watched until the block is left."""
    known = [pool for pool in pools if pool is not None]
    await asyncio.gather(*(pool.check_all() for pool in known))
    async with AsyncExitStack() as watches:
        for pool in known:
            await watches.enter_async_context(beside(pool.run()))
        yield


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


def seal(settings: Settings, stores: MediaStores) -> Seal:
    """What opens tenants' secrets: KMS where the settings name its key, else our own."""
    own = AesSeal(seal_key(settings))
    if not settings.nexus_kms_key or settings.stores is not StoresName.AWS:
        return own
    from nexus.adapters.aws import AwsStores, KmsSeal  # like the stores themselves

    return KmsSeal(stores.connection, settings.nexus_kms_key, own) if isinstance(stores, AwsStores) else own


def http_tools(settings: Settings, stores: MediaStores, clock: Clock, rules: OutboundRules | None = None) -> GuardedHttpTools:
    """Who sends the requests of declared tools: to public addresses only."""
    secrets = SealedSecrets(stores.documents, seal(settings, stores), clock)
    return GuardedHttpTools(GuardedHttp(rules or OutboundRules()), secrets, clock)


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
    if warm and needs_speech(settings):
        for result in await asyncio.gather(ear.warm_up(), voice.warm_up(), return_exceptions=True):
            if isinstance(result, ConfigurationError):
                faults.append(result.public_message)
            elif isinstance(result, BaseException):
                raise result
    for fault in faults:
        _log.error("%s", fault)
    return SpeechModels(ear, voice, detector), tuple(faults)
