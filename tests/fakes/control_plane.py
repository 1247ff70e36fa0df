"""A control plane over real adapters, with a lead model and conversations that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from fastapi import FastAPI
from pydantic import JsonValue

from control_plane.api.app import build_app
from control_plane.api.services import Check
from control_plane.ports import ConversationReply, OpenConversation
from control_plane.services.erasure import ErasedStores
from control_plane.wiring import AfterOutside, ControlPlane, Outside, Secrets, Stores, build
from nexus import tickets
from nexus.adapters.aws import AwsStores
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.files import FileCallJournal, FileRecordings, FileSessionArchive
from nexus.adapters.memory import (
    MemoryCallJournal,
    MemoryCallLedger,
    MemoryDocumentStore,
    MemoryEffectLog,
    MemoryLeadStore,
    MemoryRecordings,
    MemorySessionArchive,
    MemorySessionIndex,
    MemoryTenantStore,
    MemoryToolStore,
)
from nexus.adapters.outbound import OutboundRules
from nexus.adapters.sqlite import (
    Database,
    SqliteCallLedger,
    SqliteDocumentStore,
    SqliteEffectLog,
    SqliteLeadStore,
    SqliteSessionIndex,
    SqliteToolStore,
)
from nexus.clock import Clock
from nexus.domain.call import EndReason, MediaProcess
from nexus.domain.ids import ulid
from nexus.domain.lead import Evidence, ExtraField, LeadObject, LeadReading
from nexus.domain.session import Meta, PrivateTranscript, SessionRecord, Statistics, ToolUse, TranscriptEvent, Turn
from nexus.domain.tenant import Limits, TenantConfig
from nexus.errors import ConfigurationError, NotFound
from nexus.ports.calls import CallJournal, LiveLedger
from nexus.ports.documents import DocumentStore
from nexus.ports.sessions import LeadStore, Recordings, SessionArchive, SessionIndex
from nexus.ports.tenants import CallTerms
from nexus.ports.tools import EffectLog, ToolStore
from nexus.settings.values import load_settings

FAULTS = ("config.yaml:3: system_prompt: is missing; write one", "config.yaml:7: limits.concurrent_calls: must be at least 1")
PRIVATE_KEY = tickets.new_private_key()
STARTED = datetime(2026, 11, 20, 9, 0, 0, 123456, tzinfo=UTC)


class TenantsWithABrokenOne:
    """A tenant store in which ``broken_shop`` cannot be read."""

    def __init__(self, *configs: TenantConfig) -> None:
        self._good = MemoryTenantStore(*configs)
        self.remove = self._good.remove

    async def get(self, tenant_id: str) -> TenantConfig:
        if tenant_id == "broken_shop":
            raise ConfigurationError("invalid_config", "The configuration has 2 faults.", faults=FAULTS)
        return await self._good.get(tenant_id)

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        return CallTerms(await self.get(tenant_id))

    async def list_ids(self) -> tuple[str, ...]:
        return tuple(sorted((*await self._good.list_ids(), "broken_shop")))


@dataclass
class ToldLeadModel:
    """Gives ``lead``, or raises ``failure``; keeps what it was shown."""

    lead: LeadObject = field(default_factory=lambda: LeadObject(customer_name="Dana", core_intent="booking", call_outcome="booked"))
    evidence: tuple[Evidence, ...] = ()
    fields: tuple[ExtraField, ...] = ()
    failure: Exception | None = None
    seen: list[PrivateTranscript] = field(default_factory=list)
    name: str = "told"

    async def extract(self, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
        self.seen.append(transcript)
        if self.failure:
            raise self.failure
        return LeadReading(lead=self.lead, evidence=self.evidence, fields=self.fields)


@dataclass
class EchoConversations:
    """An agent that repeats what it hears and looks into the calendar each time."""

    open_ones: dict[str, str] = field(default_factory=dict)
    phones: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    may_answer: asyncio.Event | None = None
    """While there is one that is not set, the agent thinks."""
    thinks: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        conversation_id = f"conv_{len(self.open_ones)}"
        self.open_ones[conversation_id] = tenant.tenant_id
        self.phones.append(phone)
        return OpenConversation(conversation_id, tenant.greeting, tenant.enabled_tools)

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        if self.open_ones.get(conversation_id) != tenant_id:
            raise NotFound("conversation_not_found", "There is no such conversation; open one.")
        self.heard.append(text)
        if self.may_answer is not None:
            self.thinks.set()
            await self.may_answer.wait()
        if text == "break":
            raise RuntimeError("secret inner detail")
        use = ToolUse(request_id="r1", name="check_availability", turn=0, status="done", output="10:00")
        return ConversationReply(f"You said: {text}", (use,))

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        if self.open_ones.get(conversation_id) == tenant_id:
            del self.open_ones[conversation_id]


@dataclass
class House:
    """The whole control plane, and a client at its door."""

    plane: ControlPlane
    app: FastAPI
    client: httpx.AsyncClient
    stores: Stores
    model: ToldLeadModel
    conversations: EchoConversations
    checks: dict[str, Check]
    clock: Clock

    async def engine_slots(self, slots: int) -> None:
        """A media process that takes ``slots`` calls reports in."""
        await self.stores.ledger.heartbeat(
            MediaProcess(process_id="media-1", url="ws://testhost", engine="scripted", slots=slots, seen_at=self.clock.now())
        )

    async def archived(self, at: int, tenant_id: str = "barber_shop", **changes: object) -> SessionRecord:
        """A finished call, the ``at``-th of its day, archived and finished."""
        record = finished_call(at, tenant_id, **changes)
        await self.stores.archive.put(record, private_of(record))
        await self.plane.after_call.finish(tenant_id, record.id)
        return record


def house(
    stores: Stores,
    *,
    clock: Clock | None = None,
    after: AfterOutside | None = None,
    outbound: OutboundRules | None = None,
    **changed: object,
) -> House:
    """Build everything over ``stores``; ``after``: what happens outside after a call; ``outbound``: where tools may send to; ``changed``:
    settings."""
    model, conversations, checks, clock = ToldLeadModel(), EchoConversations(), {"store": Check(True)}, clock or Clock()

    async def ready() -> Mapping[str, Check]:
        return checks

    settings = load_settings(None, **{"engine": "scripted", "allowed_origins": "https://www.example.com", **changed})
    plane = build(
        settings,
        stores,
        Secrets(PRIVATE_KEY, b"k" * 32, b"p" * 32, b"s" * 32),
        Outside(conversations, model, ready, after or AfterOutside(), outbound or OutboundRules(resolve=_nowhere)),
        clock,
    )
    app = build_app(plane.services, lazily=True)  # as Lambda does; a house lives for a test, and most ask for one group of routes
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000")
    return House(plane, app, client, stores, model, conversations, checks, clock)


async def _nowhere(host: str, port: int) -> Sequence[str]:
    """No test asks a name server."""
    return ()


def memory_stores() -> Stores:
    """Everything in memory."""
    archive, index, leads = MemorySessionArchive(), MemorySessionIndex(), MemoryLeadStore()
    documents = MemoryDocumentStore()
    kept = _Kept(MemoryCallLedger(documents), archive, MemoryRecordings(), index, leads, MemoryToolStore(), MemoryEffectLog())
    return _stores(kept, documents, MemoryCallJournal())


def disk_stores(folder: Path) -> Stores:
    """Files and SQLite in ``folder``."""
    database = Database(folder / "nexus.sqlite")
    archive, index, leads = FileSessionArchive(folder), SqliteSessionIndex(database), SqliteLeadStore(database)
    recordings = FileRecordings(folder, lambda: bytes(32))
    kept = _Kept(SqliteCallLedger(database), archive, recordings, index, leads, SqliteToolStore(database), SqliteEffectLog(database))
    return _stores(kept, SqliteDocumentStore(database), FileCallJournal(folder))


def aws_stores(given: AwsStores) -> Stores:
    """A table and a bucket; the tenants in folders beside them are the same as everywhere."""
    kept = _Kept(given.ledger, given.archive, given.recordings, given.sessions, given.leads, given.tool_values, given.effects)
    return _stores(kept, given.documents, given.journal)


@dataclass(frozen=True, slots=True)
class _Kept:
    calls: LiveLedger
    archive: SessionArchive
    recordings: Recordings
    index: SessionIndex
    leads: LeadStore
    tool_values: ToolStore
    effects: EffectLog


def _stores(kept: _Kept, documents: DocumentStore, journal: CallJournal) -> Stores:
    folders = _tenants()
    return Stores(
        tenants=DocumentTenantStore(documents, folders),
        archive=kept.archive,
        recordings=kept.recordings,
        index=kept.index,
        leads=kept.leads,
        ledger=kept.calls,
        documents=documents,
        folders=folders,
        erased=ErasedStores({name: getattr(kept, name) for name in kept.__slots__}, journal),
    )


def finished_call(at: int, tenant_id: str = "barber_shop", **changes: object) -> SessionRecord:
    """A small record, valid in every field; later ones have higher ids and later times."""
    started = STARTED + timedelta(minutes=at)
    call_id = "call_" + ulid(int(started.timestamp() * 1000), bytes(10))
    ended = started + timedelta(seconds=60 + at)
    turn = Turn(
        i=0, role="caller", start_ms=0, end_ms=900, text="A haircut, call me at [phone].", heard_text="A haircut, call me at [phone]."
    )
    record = SessionRecord(
        id=call_id,
        session_id=call_id,
        tenant_id=tenant_id,
        config_hash="sha256:0",
        engine="scripted",
        status="completed",
        end_reason=EndReason.CALLER_HANGUP,
        created_at=started,
        connected_at=started,
        ended_at=ended,
        duration_ms=(60 + at) * 1000.0,
        turns=(turn,),
        meta=Meta(tenant_id=tenant_id, start_time=started, end_time=ended, duration_seconds=60.0 + at, status="COMPLETED"),
        statistics=Statistics(user_messages=1, ai_messages=0, tool_calls=0, errors=0, total_events=1),
        transcript=(TranscriptEvent(timestamp=started, role="user", type="text", content=turn.text),),
    )
    return record.model_copy(update=changes)


def private_of(record: SessionRecord) -> PrivateTranscript:
    """The unredacted side of a record."""
    said = "A haircut, call me at +49 30 5550 1234."
    turns = tuple(turn.model_copy(update={"text": said, "heard_text": said}) for turn in record.turns)
    return PrivateTranscript(
        call_id=record.id,
        tenant_id=record.tenant_id,
        caller_phone="+493055501234",
        turns=turns,
        delete_after=datetime.now(UTC) + timedelta(days=30),
    )


def _tenants() -> TenantsWithABrokenOne:
    barber = TenantConfig(
        tenant_id="barber_shop",
        name="Clip & Comb",
        system_prompt="SECRET PROMPT",
        enabled_tools=("check_availability",),
        tool_settings={"api_key": "SECRET KEY"},
        limits=Limits(concurrent_calls=3, max_duration_s=600),
    )
    return TenantsWithABrokenOne(barber, TenantConfig(tenant_id="pizza_shop", system_prompt="You sell pizza."))
