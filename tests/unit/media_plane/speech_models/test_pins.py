"""Model files are trusted only as pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from media_plane.speech_models.pins import PinnedFile, PinnedModel, load_package, packaged_folder, verify
from nexus.errors import ConfigurationError

GOOD = b"weights"
MODEL = PinnedModel("m", "no_such_package_here", "no-such==1", "data", (PinnedFile("a.bin", 7, hashlib.sha256(GOOD).hexdigest()),))


@pytest.mark.parametrize(("content", "code"), [(b"weighTs", "model_mismatch"), (b"short", "model_mismatch"), (None, "missing_package")])
def test_another_file_is_refused(tmp_path: Path, content: bytes | None, code: str) -> None:
    if content is not None:
        (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        verify(MODEL, tmp_path)
    assert caught.value.code == code


def test_the_pinned_file_passes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(GOOD)
    verify(MODEL, tmp_path)


def test_an_absent_package_names_the_fix() -> None:
    for door in (lambda: packaged_folder(MODEL), lambda: load_package("no_such_package_here.inner")):
        with pytest.raises(ConfigurationError, match="pip install") as caught:
            door()
        assert caught.value.code == "missing_package"
