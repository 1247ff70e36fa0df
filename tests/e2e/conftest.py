"""One running product for all end-to-end tests of a run, and an empty folder for commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.product import Product, free_port, product


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """``nexus run`` with tenants, data and port of its own."""
    with product(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own to stand in, with no settings from outside."""
    monkeypatch.chdir(tmp_path)
    for name in ("PORT", "HOST", "ENGINE", "DATA_DIR", "TENANTS_DIR", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PORT", str(free_port()))
    return tmp_path
