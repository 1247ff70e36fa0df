"""Which engines carry a call: the tenant's order, else the platform's, out of what is served here."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from media_plane.engine_wiring import EngineRoom, Models, SpeechModels, engine_slots, needs_speech, other_slots
from media_plane.engines.cascade import CascadeEngine
from media_plane.engines.duplex.engine import DuplexEngine
from media_plane.engines.scripted import Script, ScriptedEngine
from media_plane.engines.text import TextEngine
from media_plane.models.scripted import ScriptedChat
from media_plane.ports.engine import VoiceEngine
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError
from nexus.settings.values import Settings, load_settings
from tests.scenarios.duplex_house import QuickEar, QuickVoice

URLS = "ws://127.0.0.1:1/api/chat,ws://127.0.0.1:2/api/chat"


def settings_of(engine: str, **over: object) -> Settings:
    return load_settings(None, engine=engine, **{"personaplex_ws_url": URLS, **over})


def room_of(settings: Settings, *, instead: bool = False) -> EngineRoom:
    clock = Clock()
    models = Models(SpeechModels(QuickEar(), QuickVoice(), None), ScriptedChat())
    given = (lambda: ScriptedEngine(Script(echo=True), clock)) if instead else None
    return EngineRoom(settings, models, engine_slots(settings, clock), clock, given, other_slots(settings, clock))


def tenant(*engines: str) -> TenantConfig:
    return TenantConfig.model_validate({"tenant_id": "shop", "system_prompt": "x", "engines": engines})


def names(room: EngineRoom, config: TenantConfig) -> list[str]:
    makers = room.makers(config, "call_1")
    return [name_of(maker.make) for maker in makers.voices] + [makers.text().traits.name]


def name_of(make: Callable[[], VoiceEngine]) -> str:
    """``-`` for an engine that is not there, and says so."""
    try:
        return make().traits.name
    except ConfigurationError as error:
        assert error.code == "engine_unreachable"
        return "-"


@pytest.mark.parametrize(
    ("engine", "wanted", "order", "needs_slot"),
    [
        ("personaplex", (), ["personaplex", "cascade", "text"], True),
        ("pcm_sidecar", (), ["pcm_sidecar", "cascade", "text"], True),
        ("cascade", (), ["cascade", "text"], False),
        ("personaplex", ("cascade",), ["cascade", "text"], False),
        ("personaplex", ("cascade", "personaplex"), ["cascade", "personaplex", "text"], False),
        ("personaplex", ("personaplex",), ["personaplex", "text"], True),
        ("personaplex", ("personaplex", "text"), ["personaplex", "text"], True),
        ("personaplex", ("personaplex", "text", "cascade"), ["personaplex", "text"], True),
        ("personaplex", ("cascade", "cascade"), ["cascade", "text"], False),
        ("personaplex", ("text",), ["text"], False),
        ("personaplex", ("pcm_sidecar",), ["-", "personaplex", "cascade", "text"], False),
        ("personaplex", ("pcm_sidecar", "personaplex"), ["-", "personaplex", "text"], False),
        ("pcm_sidecar", ("personaplex", "cascade"), ["personaplex", "cascade", "text"], False),
        ("cascade", ("personaplex", "cascade"), ["personaplex", "cascade", "text"], False),
        ("cascade", ("personaplex",), ["personaplex", "text"], False),
        ("cascade", ("pcm_sidecar",), ["-", "cascade", "text"], False),
        ("scripted", ("personaplex",), ["scripted", "text"], False),
    ],
)
def test_the_order(engine: str, wanted: tuple[str, ...], order: list[str], needs_slot: bool) -> None:
    room = room_of(settings_of(engine))
    assert names(room, tenant(*wanted)) == order
    assert room.needs_slot(tenant(*wanted)) == needs_slot


def test_what_they_are() -> None:
    makers = room_of(settings_of("personaplex")).makers(tenant(), "call_1")
    assert [type(maker.make()) for maker in makers.voices] == [DuplexEngine, CascadeEngine]
    assert isinstance(makers.text(), TextEngine)


def test_an_engine_in_their_place_is_the_only_one() -> None:
    room = room_of(settings_of("personaplex"), instead=True)
    assert names(room, tenant("cascade")) == ["scripted", "text"]
    assert not room.needs_slot(tenant())


def test_a_primed_engine_is_the_first_once() -> None:
    primed = ScriptedEngine(Script(echo=True), Clock())
    makers = room_of(settings_of("personaplex")).makers(tenant(), "call_1", primed)
    first = makers.voices[0]
    assert first.make() is primed
    assert isinstance(first.make(), DuplexEngine)
    assert isinstance(makers.voices[1].make(), CascadeEngine)


def test_a_sidecar_is_given_the_time_that_its_own_attempts_take() -> None:
    settings = settings_of("personaplex", personaplex_connect_timeout=20, personaplex_max_reconnect_attempts=3)
    room = room_of(settings)
    patience_ms = room.makers(tenant(), "call_1").voices[0].connect_timeout_ms
    assert patience_ms is not None
    assert patience_ms > 20_000, "its own limit comes first"
    assert room.policy(tenant()).attempts == 1
    assert room.policy(tenant("cascade")).attempts == settings.engine_connect_attempts


def test_the_processes_of_each_engine() -> None:
    clock = Clock()
    personaplex = engine_slots(settings_of("personaplex"), clock)
    sidecar = engine_slots(settings_of("pcm_sidecar", engine_slots=4, pcm_sidecar_ws_url="ws://x/v1/audio-stream"), clock)
    assert personaplex is not None
    assert sidecar is not None
    assert [row.address for row in personaplex.status()] == URLS.split(",")
    assert [row.address for row in sidecar.status()] == ["ws://x/v1/audio-stream"] * 4
    assert engine_slots(settings_of("cascade"), clock) is None
    with pytest.raises(ConfigurationError, match="PERSONAPLEX_WS_URL"):
        engine_slots(settings_of("personaplex", personaplex_ws_url=""), clock)


@pytest.mark.parametrize(("engine", "needs"), [("personaplex", True), ("pcm_sidecar", True), ("cascade", True), ("scripted", False)])
def test_ear_and_voice_stand_beside_every_spoken_engine(engine: str, needs: bool) -> None:
    assert needs_speech(settings_of(engine)) == needs


def test_a_sidecar_beside_the_platforms_own_has_its_own_processes_once_its_address_is_set() -> None:
    clock = Clock()
    told = settings_of("personaplex", pcm_sidecar_ws_url="ws://x/v1/audio-stream", engine_slots=2)
    assert [row.address for row in other_slots(told, clock)["pcm_sidecar"].status()] == ["ws://x/v1/audio-stream"] * 2
    assert list(other_slots(settings_of("personaplex"), clock)) == [], "an address that nobody wrote is no process"
    assert list(other_slots(settings_of("pcm_sidecar"), clock)) == ["personaplex"]
    assert list(other_slots(settings_of("scripted"), clock)) == []
    room = room_of(told)
    assert names(room, tenant("pcm_sidecar", "personaplex")) == ["pcm_sidecar", "personaplex", "text"]
    assert not room.needs_slot(tenant("pcm_sidecar", "personaplex")), "the door counts the platform's own processes alone"
