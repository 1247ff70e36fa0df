"""The second wall: stores that give one tenant's things only to work that is bound to that tenant.

The guard decides first; this holds where a handler has a bug. Each call that names a tenant is held against two things: the tenant that the
work at hand is for (``nexus.context.working_for``, bound by the guard, by event handlers and jobs), and, inside a request, whether the
principal reaches that tenant at all. The operator's own documents (owner ``PLATFORM``) hold no tenant's data and pass.
"""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from control_plane.access.decision import unknown_tenant
from control_plane.access.principal import Kind, asking
from control_plane.ports import ConversationReply, Conversations, OpenConversation
from nexus.context import current
from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess
from nexus.domain.lead import Analysis
from nexus.domain.session import PrivateTranscript, SessionRecord, SessionRow
from nexus.domain.tenancy import PLATFORM
from nexus.domain.tenant import TenantConfig
from nexus.ports.calls import LedgerOrders, LiveLedger
from nexus.ports.documents import Change, Document, DocumentStore
from nexus.ports.erasure import Erasable
from nexus.ports.sessions import LeadStore, Recordings, SessionArchive, SessionFilter, SessionIndex
from nexus.ports.tenants import CallTerms, TenantStore

_log = logging.getLogger("nexus.access")


def check_wall(tenant_id: str) -> None:
    """Let work for its own tenant pass.

    Raises:
        NotFound: ``tenant_not_found``: the work is for another tenant, or the principal does not reach this one. It is a defect of ours,
            and logged as one.
        RuntimeError: the work is bound to no tenant.
    """
    if tenant_id == PLATFORM:
        return
    bound, principal = current().tenant_id, asking()
    if not bound:
        raise RuntimeError(f"a store is asked for {tenant_id!r} by work that is bound to no tenant: wrap it in working_for(tenant_id=...)")
    if bound != tenant_id or (principal is not None and not principal.reaches(tenant_id)):
        _log.error("the second wall held: work for %r asked for things of %r", bound, tenant_id)
        raise unknown_tenant()


class WalledTenants:
    """A ``TenantStore`` behind the wall. In a request its list shows only what the principal reaches."""

    def __init__(self, tenants: TenantStore) -> None:
        self._tenants = tenants

    async def get(self, tenant_id: str) -> TenantConfig:
        check_wall(tenant_id)
        return await self._tenants.get(tenant_id)

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        check_wall(tenant_id)
        return await self._tenants.for_call(tenant_id, version, pick=pick)

    async def list_ids(self) -> tuple[str, ...]:
        ids, principal = await self._tenants.list_ids(), asking()
        return tuple(one for one in ids if principal is None or principal.kind is Kind.PUBLIC or principal.reaches(one))


class WalledArchive:
    """A ``SessionArchive`` behind the wall."""

    def __init__(self, archive: SessionArchive) -> None:
        self._archive = archive
        self.delete_expired = archive.delete_expired

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        check_wall(record.tenant_id)
        check_wall(private.tenant_id)
        await self._archive.put(record, private)

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        check_wall(tenant_id)
        return await self._archive.get(tenant_id, call_id)

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        check_wall(tenant_id)
        return await self._archive.get_private(tenant_id, call_id)

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        check_wall(tenant_id)
        return await self._archive.list_calls(tenant_id)


class WalledRecordings:
    """``Recordings`` behind the wall; the control plane stores none."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings
        self.delete_expired = recordings.delete_expired

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        check_wall(tenant_id)
        await self._recordings.put(tenant_id, call_id, file, delete_after=delete_after)

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        check_wall(tenant_id)
        return await self._recordings.address(tenant_id, call_id, now=now, lifetime_s=lifetime_s)


class WalledIndex:
    """A ``SessionIndex`` behind the wall."""

    def __init__(self, index: SessionIndex) -> None:
        self._index = index

    async def put(self, row: SessionRow) -> None:
        check_wall(row.tenant_id)
        await self._index.put(row)

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        check_wall(tenant_id)
        return await self._index.list(tenant_id, where, limit=limit, before=before)

    async def has(self, tenant_id: str, call_id: str) -> bool:
        check_wall(tenant_id)
        return await self._index.has(tenant_id, call_id)


class WalledLeads:
    """A ``LeadStore`` behind the wall."""

    def __init__(self, leads: LeadStore) -> None:
        self._leads = leads

    async def put(self, analysis: Analysis) -> None:
        check_wall(analysis.tenant_id)
        await self._leads.put(analysis)

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        check_wall(tenant_id)
        return await self._leads.get(tenant_id, call_id)

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        check_wall(tenant_id)
        return await self._leads.list(tenant_id, limit=limit, before=before, outcome=outcome, follow_up=follow_up)


class WalledDocuments:
    """A ``DocumentStore`` behind the wall."""

    def __init__(self, documents: DocumentStore) -> None:
        self._documents = documents

    async def get(self, tenant_id: str, key: str) -> Document | None:
        check_wall(tenant_id)
        return await self._documents.get(tenant_id, key)

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        check_wall(tenant_id)
        return await self._documents.list(tenant_id, prefix, limit=limit, after=after, newest_first=newest_first)

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        check_wall(tenant_id)
        return await self._documents.write(tenant_id, *changes)


class WalledLedger:
    """The control plane's side of a ``CallLedger`` behind the wall; what a heartbeat asks passes."""

    def __init__(self, ledger: LiveLedger) -> None:
        self._ledger = ledger

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        return await self._ledger.heartbeat(process)

    async def reserve(
        self,
        order: CallOrder,
        *,
        call_id: str,
        nonce: str,
        tenant_limit: int,
        lease_s: int,
        now: datetime,
        standing: int | None = None,
    ) -> CallEntry:
        check_wall(order.tenant_id)
        return await self._ledger.reserve(
            order, call_id=call_id, nonce=nonce, tenant_limit=tenant_limit, lease_s=lease_s, now=now, standing=standing
        )

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        check_wall(tenant_id)
        return await self._ledger.redeem(tenant_id, call_id, nonce=nonce, process_id=process_id, now=now)

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        check_wall(tenant_id)
        return await self._ledger.release(tenant_id, call_id, reason, now)

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        check_wall(tenant_id)
        return await self._ledger.get(tenant_id, call_id)

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        check_wall(tenant_id)
        return await self._ledger.request_end(tenant_id, call_id)

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        check_wall(tenant_id)
        return await self._ledger.request_line(tenant_id, call_id, line)


class WalledErasable:
    """An ``Erasable`` behind the wall: a tenant is forgotten only by work that is bound to it."""

    def __init__(self, store: Erasable) -> None:
        self._store = store

    async def erase_tenant(self, tenant_id: str) -> bool:
        check_wall(tenant_id)
        return await self._store.erase_tenant(tenant_id)


class WalledConversations:
    """The agents in text behind the wall."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def open(self, tenant: TenantConfig, phone: str) -> OpenConversation:
        check_wall(tenant.tenant_id)
        return await self._conversations.open(tenant, phone)

    async def say(self, tenant_id: str, conversation_id: str, text: str) -> ConversationReply:
        check_wall(tenant_id)
        return await self._conversations.say(tenant_id, conversation_id, text)

    async def close(self, tenant_id: str, conversation_id: str) -> None:
        check_wall(tenant_id)
        await self._conversations.close(tenant_id, conversation_id)
