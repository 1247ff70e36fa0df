"""Every call ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexus.adapters.memory import MemoryCallLedger, MemoryDocumentStore
from nexus.adapters.sqlite import Database, SqliteCallLedger, SqliteDocumentStore
from nexus.ports.calls import CallLedger
from nexus.ports.documents import DocumentStore
from tests.aws import AWS, aws
from tests.fakes.stored import NOON


@pytest.fixture(params=["memory", "sqlite", *AWS])
def beside(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[CallLedger, DocumentStore]:
    """A ledger, and the documents in which its tenants' heads lie."""
    match request.param:
        case "memory":
            documents = MemoryDocumentStore(lambda: NOON)
            return MemoryCallLedger(documents), documents
        case "sqlite":
            database = Database(tmp_path / "nexus.sqlite")
            return SqliteCallLedger(database), SqliteDocumentStore(database, lambda: NOON)
    stores = aws(request)
    return stores.ledger, stores.documents


@pytest.fixture
def ledger(beside: tuple[CallLedger, DocumentStore]) -> CallLedger:
    return beside[0]
