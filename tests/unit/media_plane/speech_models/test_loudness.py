"""Level and silence of synthesised speech, voices by name, numbers in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.speech_models.loudness import TARGET_DBFS, levelled, pcm16, trimmed
from media_plane.speech_models.numerals import cardinal, digits, ordinal, year
from media_plane.speech_models.voices import EMBEDDED_VOICE, VOICES, choose_voice
from nexus.domain.tenant import VoiceSettings

RATE = 16_000


def wave(duration_s: float, peak: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return (peak * np.sin(2 * np.pi * 220 * np.arange(int(duration_s * RATE)) / RATE)).astype(np.float32)


@given(lead_ms=st.integers(0, 500), tail_ms=st.integers(0, 500))
def test_silence_goes_speech_stays(lead_ms: int, tail_ms: int) -> None:
    speech = wave(0.5, 0.5)
    around = np.concatenate([np.zeros(lead_ms * 16, np.float32), speech, np.zeros(tail_ms * 16, np.float32)])
    kept = trimmed(around, RATE)
    assert len(speech) - 2 * 160 <= len(kept) <= len(speech) + (20 + 60 + 20) * 16
    assert float(np.square(kept).sum()) == pytest.approx(float(np.square(speech).sum()), rel=0.05)
    assert not len(trimmed(np.zeros(RATE, np.float32), RATE))


@pytest.mark.parametrize("peak", [0.05, 0.2, 0.9])
def test_loud_and_soft_come_out_alike(peak: float) -> None:
    out = levelled(wave(1.0, peak), RATE)
    assert 10 * np.log10(np.mean(np.square(out))) == pytest.approx(TARGET_DBFS, abs=0.5)


@given(peak=st.floats(1e-6, 5.0))
def test_it_never_clips(peak: float) -> None:
    speech = wave(0.5, 0.03)
    speech[4_000] = peak  # a click in soft speech must not be raised beyond full scale
    out = levelled(speech, RATE)
    assert float(np.abs(out).max()) <= 0.9
    assert len(pcm16(out)) == 2 * len(out)


def test_every_default_voice_is_known_and_a_stranger_gets_a_stand_in() -> None:
    assert choose_voice(VoiceSettings().voice_id).exact
    assert choose_voice("  EN_US_Male_Calm ") == VOICES["en_us_male_calm"]
    assert not choose_voice("klingon").exact
    assert {choose_voice(name).voice for name in [*VOICES, "", "klingon"]} == {EMBEDDED_VOICE}
    assert not any(choice.exact for name, choice in VOICES.items() if "female" in name)


@given(number=st.integers(-(10**16), 10**16))
def test_every_number_is_words(number: int) -> None:
    assert cardinal(number).replace(" ", "").isalpha()
    assert cardinal(-abs(number) - 1).startswith("minus ")


@given(one=st.integers(0, 10**6), other=st.integers(0, 10**6))
def test_different_numbers_have_different_words(one: int, other: int) -> None:
    assert (cardinal(one) == cardinal(other)) is (one == other)
    assert (ordinal(one) == ordinal(other)) is (one == other)


def test_ordinals_years_and_digits() -> None:
    assert [ordinal(n) for n in (1, 2, 3, 8, 12, 20, 21, 100)] == (
        ["first", "second", "third", "eighth", "twelfth", "twentieth", "twenty first", "one hundredth"]
    )
    assert [year(n) for n in (1905, 2005, 2026, 1900)] == ["nineteen oh five", "two thousand five", "twenty twenty six", "nineteen hundred"]
    assert digits("a1-20b") == "one two zero"
