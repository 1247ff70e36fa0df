"""Documents for the services: once in memory, once in SQLite, both held against the test's clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.sqlite.database import Database
from nexus.adapters.sqlite.documents import SqliteDocumentStore
from nexus.ports import DocumentStore
from tests.fakes.wall_clock import WallClock


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture(params=["memory", "sqlite"])
def documents(request: pytest.FixtureRequest, tmp_path: Path, wall: WallClock) -> DocumentStore:
    if request.param == "memory":
        return MemoryDocumentStore(wall.now)
    return SqliteDocumentStore(Database(tmp_path / "nexus.sqlite"), wall.now)
