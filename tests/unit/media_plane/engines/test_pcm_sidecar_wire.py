"""The messages of the sidecar contract: what goes out always fits, what comes in never breaks anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media_plane.engines.pcm_sidecar_wire import (
    MAX_START_BYTES,
    AudioClear,
    Keepalive,
    MuteWatch,
    SessionReady,
    SidecarError,
    SidecarReader,
    Transcript,
    Unreadable,
    read_event,
    start_message,
)
from media_plane.ports.speech_line import LineNotice, ModelBrief, Said
from nexus.domain.tenant import Limits, TenantConfig, VoiceSettings

CONFIG = TenantConfig(
    tenant_id="shop",
    system_prompt="You are Ada.",
    greeting="Hello!",
    knowledge_base={"hours": "9 to 5"},
    voice_settings=VoiceSettings(voice_id="joe", language="de-DE", speed=1.2),
)


def start(**fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"call_id": "call_1", "generation": 2, "config": CONFIG} | fields
    text = start_message(ModelBrief(**given))
    assert len(text.encode()) <= MAX_START_BYTES
    told: dict[str, Any] = json.loads(text)
    return told


def test_session_start_holds_all_of_the_brief() -> None:
    said = (Said("agent", "Hello!"), Said("caller", "Zwei Tische, bitte – 🙂"))
    assert start(facts=("Booked for three.", "Price: 20."), said=said) == {
        "type": "session.start",
        "version": 1,
        "call_id": "call_1",
        "generation": 2,
        "system_prompt": "You are Ada.\n\n## Business Information\nHours: 9 to 5",
        "voice_id": "joe",
        "language": "de-DE",
        "speed": 1.2,
        "greeting": "Hello!",
        "facts": ["Booked for three.", "Price: 20."],
        "history": [{"role": "agent", "text": "Hello!"}, {"role": "caller", "text": "Zwei Tische, bitte – 🙂"}],
        "audio": {"codec": "pcm_s16le", "sample_rate": 16_000, "channels": 1},
    }


NASTY = st.text(st.one_of(st.sampled_from('"\\\n\t\x00é🙂'), st.characters()), max_size=400)


@settings(max_examples=40, deadline=None)
@given(NASTY, NASTY, st.integers(1, 400), st.integers(0, 800), st.integers(0, 2_000))
def test_session_start_always_fits_and_keeps_the_newest(persona: str, words: str, repeat: int, facts: int, said: int) -> None:
    config = CONFIG.model_copy(
        update={"system_prompt": "P" + persona, "knowledge_base": [words] * repeat, "limits": Limits(knowledge_chars=100_000)}
    )
    told = start(
        config=config,
        facts=tuple(f"{i} {words}" for i in range(facts)),
        said=tuple(Said("caller", f"{i} {words}") for i in range(said)),
    )
    assert told["system_prompt"].startswith("P")
    assert [int(fact.split(" ", 1)[0]) for fact in told["facts"]] == list(range(facts))[len(range(facts)) - len(told["facts"]) :]
    assert [int(one["text"].split(" ", 1)[0]) for one in told["history"]] == list(range(said))[len(range(said)) - len(told["history"]) :]


def test_knowledge_gives_way_first_then_old_words_then_facts_but_never_the_persona() -> None:
    much = CONFIG.model_copy(update={"knowledge_base": ["k" * 90] * 1_000, "limits": Limits(knowledge_chars=100_000)})
    words = tuple(Said("caller", f"{i:05d} " + "w" * 94) for i in range(1_500))
    squeezed = start(config=much, said=words)
    assert len(squeezed["history"]) == 1_500
    assert 50 < squeezed["system_prompt"].count("k" * 90) < 1_000
    crowded = start(config=much, said=words * 2, facts=("f" * 100,) * 100)
    assert crowded["system_prompt"].startswith("You are Ada.")
    assert "k" * 90 not in crowded["system_prompt"] or len(crowded["history"]) == 3_000
    assert len(crowded["facts"]) == 100
    assert crowded["history"][-1]["text"].startswith("01499")
    alone = start(config=CONFIG.model_copy(update={"system_prompt": "p" * 400_000}), facts=("f",), said=words)
    assert set(alone["system_prompt"]) == {"p"}
    assert len(alone["system_prompt"]) > 40_000


def test_broken_characters_of_a_brief_do_not_break_the_message() -> None:
    told = start(facts=("a\ud800b\x00c",), said=(Said("caller", "\udfff"),))
    assert told["facts"] == ["a b c"]
    assert told["history"] == [{"role": "caller", "text": " "}]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('{"type":"session.ready"}', SessionReady(type="session.ready")),
        ('{"type":"session.ready","version":3,"transcripts":true,"x":[]}', SessionReady(type="session.ready", version=3, transcripts=True)),
        ('{"text":"Hi","type":"transcript","role":"agent"}', Transcript(type="transcript", role="agent", text="Hi")),
        ('{"type":"audio.clear"}', AudioClear(type="audio.clear")),
        ('{"type":"keepalive"}', Keepalive(type="keepalive")),
        ('{"type":"error"}', SidecarError(type="error")),
        ('{"type":"later"}', None),
        ('{"type":"session.start"}', None),
    ],
)
def test_each_event_is_read(text: str, meant: object) -> None:
    assert read_event(text) == meant


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "message_not_json"),
        ("{'type':'error'}", "message_not_json"),
        ('{"type":"error"', "message_not_json"),
        ("[" * 100_000, "message_not_json"),
        ("{}", "message_invalid"),
        ("7", "message_invalid"),
        ('{"type":"session.ready","transcripts":"yes"}', "message_invalid"),
        ('{"type":"session.ready","version":"1"}', "message_invalid"),
        ('{"type":"transcript","role":"agent","text":null}', "message_invalid"),
        ('{"type":"transcript","role":"agent","text":"' + "x" * 8_001 + '"}', "message_invalid"),
        ('{"type":"error","fatal":"no"}', "message_invalid"),
    ],
)
def test_what_breaks_the_contract_is_named(text: str, code: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_event(text)
    assert caught.value.code == code
    assert len(caught.value.fault) < 300


@given(st.one_of(st.text(), st.binary(), st.dictionaries(st.sampled_from(["type", "role", "text"]), st.text()).map(json.dumps)))
def test_no_message_breaks_the_reader(message: bytes | str) -> None:
    reader = SidecarReader()
    reader.read(message)
    reader.begin(SessionReady(type="session.ready", transcripts=True))
    reader.read(message)


def test_faults_are_told_at_1_2_4_8() -> None:
    reader = SidecarReader()
    told = [n for n in range(1, 101) if reader.read("nonsense")]
    assert told == [1, 2, 4, 8, 16, 32, 64]


def test_a_fault_names_the_document() -> None:
    (notice,) = SidecarReader().read("nonsense")
    assert notice == LineNotice(
        "message_not_json", "The sidecar broke its contract 1 time(s), last: a text message is not JSON; see docs/pcm-sidecar.md"
    )


class TestMuteWatch:
    def test_mute_is_being_fed_for_the_limit_without_any_answer(self) -> None:
        watch = MuteWatch(5_000)
        assert next(at for at in range(0, 6_000, 20) if watch.fed(at)) == 5_000

    def test_any_answer_begins_anew(self) -> None:
        watch = MuteWatch(5_000)
        for at in range(0, 60_000, 20):
            assert not watch.fed(at)
            if at % 4_900 == 0:
                watch.gave(at)

    def test_a_pause_of_the_feed_begins_anew(self) -> None:
        watch = MuteWatch(5_000)
        assert not any(watch.fed(at) for at in range(0, 4_900, 20))
        assert not any(watch.fed(at) for at in range(8_000, 12_900, 20))
        assert watch.fed(13_000)
