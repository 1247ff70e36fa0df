"""Which engines carry a call, in which order, and how each is made: the one place that names them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from math import inf

from media_plane.bridge.engine_line import EngineMaker, EngineMakers, LinePolicy
from media_plane.dialogue.agent import TextAgent
from media_plane.engines.cascade import CascadeEngine
from media_plane.engines.duplex.engine import DuplexEngine, DuplexParts
from media_plane.engines.duplex.rotation import RotatingLine
from media_plane.engines.duplex.rotation_rules import RotationPolicy
from media_plane.engines.pcm_sidecar import PcmSidecarLimits, PcmSidecarLine
from media_plane.engines.personaplex.line import LineSettings, PersonaPlexLine
from media_plane.engines.scripted import Script, ScriptedEngine
from media_plane.engines.text import TextEngine
from media_plane.ports.chat import ChatModel
from media_plane.ports.engine import CallBrief, VoiceEngine
from media_plane.ports.speech import SpeechToText, TextToSpeech
from media_plane.ports.speech_line import SpeechLine
from media_plane.server.priming import Begun
from media_plane.slots import SlotPool
from media_plane.speech.vad import InferenceSession
from media_plane.tooling.runner import TenantTools, ToolParts
from nexus.clock import Clock
from nexus.domain.call import CallEntry
from nexus.domain.tenant import TenantConfig, for_order
from nexus.errors import ConfigurationError
from nexus.ports.tenants import TenantStore
from nexus.settings.choices import EngineName
from nexus.settings.values import Settings

_log = logging.getLogger("nexus.wiring")
_SIDECARS = (EngineName.PERSONAPLEX, EngineName.PCM_SIDECAR)
_MARGIN_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class SpeechModels:
    """The models that all calls share. ``voice_detector`` None: a plain level detector stands in (no model installed)."""

    ear: SpeechToText
    voice: TextToSpeech
    voice_detector: InferenceSession | None


@dataclass(frozen=True, slots=True)
class Models:
    """The models behind every call's ear, voice and dialogue."""

    speech: SpeechModels
    chat: ChatModel
    on_lag: Callable[[float], None] = lambda _: None
    """Told how far a full-duplex model is behind its caller, in milliseconds."""


def needs_speech(settings: Settings) -> bool:
    """Whether calls use the ear and the voice of this machine: also beside a sidecar, and when it fails."""
    return settings.engine is not EngineName.SCRIPTED


def engine_slots(settings: Settings, clock: Clock) -> SlotPool | None:
    """The server processes of the platform's speech model; None when its engine has none.

    Raises:
        ConfigurationError: ``setting_invalid`` when no process is named.
    """
    if settings.engine is EngineName.PERSONAPLEX and not settings.personaplex_urls:
        raise ConfigurationError(
            "setting_invalid", "ENGINE=personaplex needs PERSONAPLEX_WS_URL: the address of each PersonaPlex server process."
        )
    return _pool(settings, settings.engine, clock) if settings.engine in _SIDECARS else None


def other_slots(settings: Settings, clock: Clock) -> Mapping[str, SlotPool]:
    """The server processes of sidecar engines that are not the platform's, for tenants that name them. The ledger is told of the
    platform's alone: a tenant that finds these taken goes on with the next engine."""
    if settings.engine is EngineName.SCRIPTED:
        return {}
    return {name.value: _pool(settings, name, clock) for name in settings.sidecars if name is not settings.engine}


def _pool(settings: Settings, name: EngineName, clock: Clock) -> SlotPool:
    if name is EngineName.PERSONAPLEX:
        return SlotPool(settings.personaplex_urls, settings.personaplex_spares, clock)
    return SlotPool([settings.pcm_sidecar_ws_url] * settings.engine_slots, 0, clock)


class EngineRoom:
    """Makes the engines of calls.

    Args:
        settings: which engine is the platform's, and its limits.
        models: shared by all calls.
        slots: the server processes of a sidecar engine; None without one.
        clock: every wait goes by it.
        instead: makes the only voice engine, whatever the settings and tenants say (tests, benchmarks).
        others: the server processes of other sidecar engines, by engine.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        slots: SlotPool | None,
        clock: Clock,
        instead: Callable[[], VoiceEngine] | None = None,
        others: Mapping[str, SlotPool] | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._slots = slots
        self._pools = {**(others or {}), **({settings.engine.value: slots} if slots is not None else {})}
        self._clock = clock
        self._instead = instead

    # --- which ---

    def needs_slot(self, config: TenantConfig) -> bool:
        """Whether a tenant's first engine needs a server process of its own."""
        return self._slots is not None and self._voices(config)[:1] == (self._settings.engine.value,)

    def policy(self, config: TenantConfig) -> LinePolicy:
        """How a call's engines are tried. A sidecar's line tries its processes itself, so that one attempt is enough for its engine."""
        return LinePolicy(
            connect_timeout_ms=self._settings.engine_connect_timeout_s * 1000,
            attempts=1 if self.needs_slot(config) else self._settings.engine_connect_attempts,
            retry_delay_ms=self._settings.engine_retry_delay_s * 1000,
            return_interval_ms=self._settings.engine_return_interval_s * 1000,
        )

    def makers(self, config: TenantConfig, call_id: str, primed: VoiceEngine | None = None) -> EngineMakers:
        """The engines of a call in the order of its tenant, or else of the platform.

        Args:
            primed: a first engine whose start has begun; it is used once.
        """
        voices = tuple(self._maker(kind, config, call_id) for kind in self._voices(config))
        if primed is not None and voices:
            voices = (EngineMaker(_first(primed, voices[0].make), voices[0].connect_timeout_ms), *voices[1:])
        return EngineMakers(voices, lambda: TextEngine(self.agent))

    def _maker(self, kind: str, config: TenantConfig, call_id: str) -> EngineMaker:
        """How an engine of this kind is made for a call."""
        makers: Mapping[str, Callable[[], VoiceEngine]] = {
            "instead": self._instead or self._echo,
            "scripted": self._echo,
            "cascade": self._cascade,
        }
        if kind in makers:
            return EngineMaker(makers[kind])
        if kind not in self._pools:
            return EngineMaker(lambda: _not_here(kind))
        name = EngineName(kind)
        return EngineMaker(lambda: self._duplex(name, config, call_id), _longest_open_ms(self._rotation(name)))

    def _voices(self, config: TenantConfig) -> tuple[str, ...]:
        if self._instead is not None:
            return ("instead",)
        own = self._settings.engine.value
        if own == "scripted":
            return (own,)
        platforms = (own, "cascade") if self._slots is not None else ("cascade",)
        # text is always there: nothing comes after it
        wanted = tuple(dict.fromkeys(takewhile(lambda kind: kind != "text", config.engines)))
        if not wanted:
            return () if config.engines else platforms
        if any(kind == "cascade" or kind in self._pools for kind in wanted):
            return wanted
        _log.warning("no engine of %s is served here (%s); the platform's order follows", config.tenant_id, ", ".join(wanted))
        return (*wanted, *platforms)

    # --- how ---

    def agent(self, brief: CallBrief) -> TextAgent:
        """The text agent of a call."""
        return TextAgent(self._models.chat, brief, self._clock)

    def _beside(self, brief: CallBrief) -> TextAgent:
        return TextAgent(self._models.chat, brief, self._clock, beside=bool(brief.config.enabled_tools))

    def _echo(self) -> VoiceEngine:
        return ScriptedEngine(Script(echo=True), self._clock)

    def _cascade(self) -> VoiceEngine:
        return CascadeEngine(self._models.speech.ear, self._models.speech.voice, self.agent, self._clock)

    def _duplex(self, name: EngineName, config: TenantConfig, call_id: str) -> VoiceEngine:
        line = RotatingLine(self._pools[name.value], partial(self._line, name), self._rotation(name), self._clock, call_id)
        speech = self._models.speech
        # a tenant without tools has nothing to do for an agent beside the model, but what is typed must be answered by somebody
        parts = DuplexParts(speech.ear, speech.voice, self._beside, beside=bool(config.enabled_tools))
        return DuplexEngine(name.value, line, parts, self._clock)

    def _line(self, name: EngineName, address: str) -> SpeechLine:
        settings = self._settings
        if name is EngineName.PCM_SIDECAR:
            return PcmSidecarLine(address, PcmSidecarLimits(mute_ms=settings.engine_mute_s * 1000), self._clock)
        limits = LineSettings(
            prompt_bytes=settings.personaplex_prompt_bytes,
            lag_limit_s=settings.personaplex_lag_limit_s,
            mute_s=settings.engine_mute_s,
            on_lag=self._models.on_lag,
        )
        return PersonaPlexLine(address, limits, self._clock)

    def _rotation(self, name: EngineName) -> RotationPolicy:
        settings = self._settings
        if name is EngineName.PCM_SIDECAR:
            return RotationPolicy(
                attempts=settings.engine_connect_attempts,
                retry_delay_ms=settings.engine_retry_delay_s * 1000,
                connect_timeout_ms=settings.engine_connect_timeout_s * 1000,
                rotate_after_ms=inf,
                window_ms=inf,
            )
        return RotationPolicy(
            attempts=settings.personaplex_max_reconnect_attempts,
            retry_delay_ms=settings.personaplex_reconnect_delay * 1000,
            connect_timeout_ms=settings.personaplex_connect_timeout * 1000,
            rotate_after_ms=settings.personaplex_rotate_after_s * 1000,
            window_ms=settings.personaplex_window_s * 1000,
        )


def _first(primed: VoiceEngine, make: Callable[[], VoiceEngine]) -> Callable[[], VoiceEngine]:
    """Gives the primed engine, then freshly made ones."""
    waiting = [primed]
    return lambda: waiting.pop() if waiting else make()


def _not_here(kind: str) -> VoiceEngine:
    raise ConfigurationError("engine_unreachable", f"This platform has no process of {kind}; name its address, or another engine.")


def _longest_open_ms(policy: RotationPolicy) -> float:
    return policy.connect_timeout_ms + policy.attempts * policy.retry_delay_ms + _MARGIN_MS


class Starter:
    """Starts the first engine of a call that waits for its caller (``media_plane.server.priming.EngineStarts.begin``)."""

    def __init__(self, tenants: TenantStore, engines: EngineRoom, tools: ToolParts) -> None:
        self._tenants = tenants
        self._engines = engines
        self._tools = tools

    async def __call__(self, entry: CallEntry) -> Begun | None:
        """The started engine; None for a tenant whose first engine needs no process. Raises NexusError, also for a broken tenant."""
        terms = await self._tenants.for_call(entry.order.tenant_id, entry.order.config_version)
        config = for_order(terms.config, entry.order)
        if not self._engines.needs_slot(config):
            return None
        specs = await TenantTools(config, entry.call_id, self._tools).tools()
        engine = self._engines.makers(config, entry.call_id).voices[0].make()
        try:
            # e0: the engines of the call itself count from 1
            await engine.start(CallBrief(entry.call_id, config, specs, "e0", caller_phone=entry.order.caller.phone))
        except BaseException:  # also cancellation: whatever stops the start, the engine is let go
            await engine.close()
            raise
        return Begun(engine, config)
