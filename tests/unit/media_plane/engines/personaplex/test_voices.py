"""Only names of the fixed list reach the server, whatever a tenant wrote."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.sidecar.options import VOICES as SERVERS_FILES
from media_plane.engines.personaplex.voices import DEFAULT_FEMALE, DEFAULT_MALE, MODEL_VOICES, VOICES, choose_model_voice
from media_plane.speech_models.voices import VOICES as EMBEDDED_VOICES
from nexus.domain.tenant import VoiceSettings


def test_the_list_is_the_servers() -> None:
    assert {f"{name}.pt" for name in MODEL_VOICES} == SERVERS_FILES
    assert len(MODEL_VOICES) == 18


@given(st.one_of(st.text(max_size=80), st.from_regex(r"(\.\./)*[A-Z]{4}[0-9](\.pt)?(\x00|/|%2f)?", fullmatch=True)))
def test_whatever_is_asked_a_file_of_the_list_speaks(voice_id: str) -> None:
    assert choose_model_voice(voice_id).file in SERVERS_FILES


@pytest.mark.parametrize("asked", ["../../etc/passwd", "/srv/x.pt", "NATF0.pt/../x", "NATF9", "NATF0.pt\x00", "NATF0.wav"])
def test_a_path_or_a_strange_file_never_reaches_the_server(asked: str) -> None:
    assert choose_model_voice(asked).exact is False


@pytest.mark.parametrize("asked", ["NATF2", "natf2", "NATF2.pt", "  natf2.PT "])
def test_the_models_own_names_are_taken(asked: str) -> None:
    assert choose_model_voice(asked).file == "NATF2.pt"
    assert choose_model_voice(asked).exact


def test_every_voice_we_know_has_one_of_the_same_gender() -> None:
    assert set(VOICES) == set(EMBEDDED_VOICES)
    for voice_id, name in VOICES.items():
        assert name in MODEL_VOICES
        assert re.fullmatch("(NAT|VAR)F.", name) if "female" in voice_id else re.fullmatch("(NAT|VAR)M.", name)
        assert choose_model_voice(voice_id.upper()).exact
    assert len(set(VOICES.values())) == 8, "names that differ sound different"


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("de_de_female_warm", DEFAULT_FEMALE),
        ("Woman 3", DEFAULT_FEMALE),
        ("en-GB-F", DEFAULT_FEMALE),
        ("en_gb_male_old", DEFAULT_MALE),
        ("alloy", DEFAULT_MALE),
        ("", DEFAULT_MALE),
        ("fred", DEFAULT_MALE),
    ],
)
def test_an_unknown_name_gets_the_default_of_its_gender(asked: str, name: str) -> None:
    choice = choose_model_voice(asked)
    assert (choice.name, choice.exact) == (name, False)


def test_the_configurations_default_is_known() -> None:
    assert choose_model_voice(VoiceSettings().voice_id).exact
