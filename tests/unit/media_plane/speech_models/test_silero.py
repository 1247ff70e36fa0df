"""The voice detector's model is the one that was tested, and a wrong path is said plainly."""

from __future__ import annotations

from pathlib import Path

import pytest

from media_plane.audio import silence
from media_plane.speech.vad import SileroDetector
from media_plane.speech_models.pins import packaged_folder
from media_plane.speech_models.silero import SILERO_VAD, load_silero
from nexus.errors import ConfigurationError


@pytest.mark.speech
def test_the_packaged_model_hears_no_voice_in_silence() -> None:
    assert SileroDetector(load_silero()).probability(silence(100, 16_000)) < 0.1


@pytest.mark.speech
def test_an_operators_own_file_is_loaded_too() -> None:
    assert load_silero(packaged_folder(SILERO_VAD) / SILERO_VAD.files[0].name)


def test_an_absent_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match="no/such/model") as refusal:
        load_silero(Path("no/such/model.onnx"))
    assert refusal.value.code == "setting_invalid"
