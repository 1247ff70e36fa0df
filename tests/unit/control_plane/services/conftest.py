"""Documents for the services: in memory, in SQLite, and in DynamoDB over moto, all held against the test's clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.adapters.aws.documents import DynamoDocumentStore
from nexus.adapters.aws.table import Table
from nexus.adapters.memory import MemoryDocumentStore
from nexus.adapters.sqlite.database import Database
from nexus.adapters.sqlite.documents import SqliteDocumentStore
from nexus.ports.documents import DocumentStore
from tests.aws import aws
from tests.fakes.wall_clock import WallClock


@pytest.fixture
def wall() -> WallClock:
    return WallClock()


@pytest.fixture(params=["memory", "sqlite", "moto"])
def documents(request: pytest.FixtureRequest, tmp_path: Path, wall: WallClock) -> DocumentStore:
    if request.param == "memory":
        return MemoryDocumentStore(wall.now)
    if request.param == "moto":
        return DynamoDocumentStore(Table(aws(request).connection), wall.now)
    return SqliteDocumentStore(Database(tmp_path / "nexus.sqlite"), wall.now)
