"""What both planes ask of the outside: stores, the capacity ledger, the journal. At most six methods each, in our words.

Every method may raise ``nexus.errors.Unavailable``. One contract suite (tests/contracts) runs over every adapter of each port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from nexus.domain.call import CallEntry, CallOrder, EndReason, LineOrder, MediaProcess, RecordStatus
from nexus.domain.http_tool import HttpOutcome, HttpTool
from nexus.domain.lead import Analysis
from nexus.domain.session import JournalEntry, PrivateTranscript, SessionRecord, SessionRow
from nexus.domain.tenant import TenantConfig
from nexus.tools import Stored


class Ids(Protocol):
    """Fresh ids: prefixed ULIDs that sort by time."""

    def new(self, prefix: str) -> str:
        """``{prefix}_{ULID}``."""
        ...


@dataclass(frozen=True, slots=True)
class CallTerms:
    """What a call of a tenant is held to.

    Attributes:
        config: the configuration it runs with.
        version: that configuration's version; 0: one that is edited in place.
        origins: further pages that may open the tenant's calls.
        standing: the version of the tenant's head by which all this was decided (0: there was none); None: the tenant has no head here.
    """

    config: TenantConfig
    version: int = 0
    origins: tuple[str, ...] = ()
    standing: int | None = None


class TenantStore(Protocol):
    """Tenants' configurations. What it gives is live: an edit is seen by the next ``get``."""

    async def get(self, tenant_id: str) -> TenantConfig:
        """The configuration now, whether the tenant may be called or not.

        Raises:
            NotFound: ``tenant_not_found``.
            ConfigurationError: ``invalid_config`` with every fault in ``faults``, ``config_not_published``.
        """
        ...

    async def for_call(self, tenant_id: str, version: int | None = None, *, pick: str = "") -> CallTerms:
        """What a call is started with now, uploaded knowledge included.

        Args:
            version: the version that the call was ordered with, which is given as long as it is there; None: the active one, or the canary.
            pick: who or what calls: the same one gets the same of the two; empty: always the active one.

        Raises:
            NotAuthorised: ``tenant_suspended``: the tenant takes no calls.
            NotFound, ConfigurationError: like ``get``.
        """
        ...

    async def list_ids(self) -> tuple[str, ...]:
        """Every tenant's id, sorted; broken ones too."""
        ...


class Erasable(Protocol):
    """A store that can forget a tenant: the archive, the index, the leads, the tools' values, the effects, and the ledger, which asks for
    the end of the tenant's living calls and forgets all others."""

    async def erase_tenant(self, tenant_id: str) -> bool:
        """Remove what is kept of the tenant. Broken off, it can be begun again; where nothing is left it is silent.

        Returns:
            Whether nothing is left. False: ask again in a while (a call still lives).
        """
        ...


class ToolStore(Protocol):
    """The small key-value store behind ``ToolContext.store``, for every tenant apart."""

    async def get(self, tenant_id: str, key: str) -> Stored | None:
        """The value, or None."""
        ...

    async def put(self, tenant_id: str, key: str, value: Any, *, new_only: bool = False) -> Stored:
        """Write. Atomic among all callers and processes.

        Raises:
            Conflict: ``new_only`` and the key exists.
        """
        ...

    async def list(self, tenant_id: str, prefix: str) -> tuple[Stored, ...]:
        """Everything whose key begins with ``prefix``, by key, at most 1,000."""
        ...

    async def delete(self, tenant_id: str, key: str) -> None:
        """Remove; silent where nothing is."""
        ...


class SessionArchive(Protocol):
    """Finished calls, immutable; and their private transcripts, until they expire."""

    async def put(self, record: SessionRecord, private: PrivateTranscript) -> None:
        """Archive both, atomically for a reader. The same call again is silent and changes nothing."""
        ...

    async def get(self, tenant_id: str, call_id: str) -> SessionRecord:
        """Raises NotFound ``session_not_found``."""
        ...

    async def get_private(self, tenant_id: str, call_id: str) -> PrivateTranscript | None:
        """None when it never was or has expired."""
        ...

    async def list_calls(self, tenant_id: str) -> tuple[str, ...]:
        """Every archived call id of the tenant, oldest first (for rebuilding the index)."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete private transcripts whose ``delete_after`` has passed; how many."""
        ...


class Recordings(Protocol):
    """The sound of finished calls: one Ogg Opus file a call, until it expires. Nobody but the holder of an address can listen."""

    async def put(self, tenant_id: str, call_id: str, file: Path, *, delete_after: datetime) -> None:
        """Keep a copy of the file, which stays where it is. The same call again is silent and changes nothing."""
        ...

    async def address(self, tenant_id: str, call_id: str, *, now: datetime, lifetime_s: int) -> str:
        """From where anybody can read it for so long, byte ranges too: a URL, or a path (``/…``) at the API's own host.

        Raises:
            NotFound: ``recording_not_found``: it never was, or has expired.
        """
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Delete recordings whose ``delete_after`` has passed; how many."""
        ...


@dataclass(frozen=True, slots=True)
class SessionFilter:
    """Which sessions to list; None means any."""

    status: RecordStatus | None = None
    end_reason: EndReason | None = None
    outcome: str | None = None
    started_from: datetime | None = None
    started_before: datetime | None = None
    min_duration_ms: float | None = None
    below_duration_ms: float | None = None
    config_version: int | None = None
    test: bool | None = None
    metadata: tuple[tuple[str, str], ...] = ()


class SessionIndex(Protocol):
    """Where sessions are found."""

    async def put(self, row: SessionRow) -> None:
        """Write or replace the row of one call."""
        ...

    async def list(self, tenant_id: str, where: SessionFilter, *, limit: int, before: str = "") -> tuple[SessionRow, ...]:
        """Newest first by call id, at most ``limit``, only ids that sort below ``before`` (when given)."""
        ...

    async def has(self, tenant_id: str, call_id: str) -> bool:
        """Whether the call is in the index."""
        ...


class LeadStore(Protocol):
    """Analyses of calls: at most one current one a call, replaced by a newer reading."""

    async def put(self, analysis: Analysis) -> None:
        """Write or replace the analysis of one call."""
        ...

    async def get(self, tenant_id: str, call_id: str) -> Analysis | None:
        """The analysis of a call, or None."""
        ...

    async def list(
        self, tenant_id: str, *, limit: int, before: str = "", outcome: str = "", follow_up: bool | None = None
    ) -> tuple[Analysis, ...]:
        """Newest first by call id, at most ``limit``, only calls that sort below ``before`` (when given)."""
        ...


@dataclass(frozen=True, slots=True)
class CallRef:
    """Which call of which tenant."""

    tenant_id: str
    call_id: str


@dataclass(frozen=True, slots=True)
class CallLinesTaken:
    """Lines for one call, in the order in which they came."""

    call_id: str
    lines: tuple[LineOrder, ...]


@dataclass(frozen=True, slots=True)
class LedgerOrders:
    """What the ledger wants of a process: its own calls to end, and the active calls of dead processes for somebody to record (every
    process is told of them until one has released them)."""

    to_end: tuple[str, ...] = ()
    ready: tuple[CallEntry, ...] = ()
    """Calls that hold a slot of this process and wait for their caller: its engine can be primed."""
    orphaned: tuple[CallRef, ...] = ()
    lines: tuple[CallLinesTaken, ...] = ()
    """For calls of this process; each is given once, also where this answer is lost."""


class CallLedger(Protocol):
    """Capacity and single use: which process holds which call. Every method is one transaction."""

    async def heartbeat(self, process: MediaProcess) -> LedgerOrders:
        """Register or refresh a process, and give its orders."""
        ...

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
        """Take a tenant seat and an engine slot for a call that is about to connect.

        Args:
            standing: the version that the tenant's head must have in the moment of the reservation (0: there must be none); None: whatever
                it is. So no call is made of a tenant that has been suspended meanwhile.

        The same tenant and ``order.idempotency_key`` again, while the call is ``ready``, gives the same call with the new nonce and a
        fresh lease. Ready calls whose lease has passed, and calls of dead processes, hold nothing: a request that repeats one is a new
        call. While slots are scarce, a tenant that has its weighted share of them waits for the others (``order.weight``).

        Raises:
            QuotaExceeded: ``tenant_concurrency_exceeded``, ``fair_share_exceeded`` (both with the numbers) or ``no_engine_slot`` (also
                when no live process takes calls).
            RequestRejected: ``idempotency_key_reused`` (other body).
            Conflict: ``call_already_connected`` (the call has begun), ``conflict`` (the tenant's head is not as ``standing`` says).
        """
        ...

    async def redeem(self, tenant_id: str, call_id: str, *, nonce: str, process_id: str, now: datetime) -> CallEntry:
        """Burn the nonce and make the call active in this process.

        Raises:
            NotFound: ``call_not_found``, also for another tenant's call.
            NotAuthorised: ``ticket_used`` (the nonce is not the newest, or already burnt), ``ticket_expired`` (the lease has passed).
        """
        ...

    async def release(self, tenant_id: str, call_id: str, reason: EndReason, now: datetime) -> bool:
        """End the call and give seat and slot back; silent when it is ended already, and where the tenant has no such call.

        Returns:
            Whether it ended by this: of all who release one call, only one is told so (and none, where an answer is lost on its way).
        """
        ...

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        """Raises NotFound ``call_not_found``, also for another tenant's call."""
        ...

    async def request_end(self, tenant_id: str, call_id: str) -> CallEntry:
        """Set the flag that the holding process sees at its next heartbeat. Raises like ``get``."""
        ...


class CallLines(Protocol):
    """Lines for living calls; every ledger is one."""

    async def request_line(self, tenant_id: str, call_id: str, line: LineOrder) -> CallEntry:
        """Leave a line for the process that holds the call, which takes it with its next heartbeat.

        Raises:
            NotFound: ``call_not_found``, also for another tenant's call.
            Conflict: ``call_not_active``: the call is not connected yet, or over.
            QuotaExceeded: ``too_many_lines``: eight of this call wait already.
        """
        ...


class LiveLedger(CallLedger, CallLines, Protocol):
    """What a ledger's adapters are."""


class CallJournal(Protocol):
    """What a living call has written so far: survives the death of its process."""

    async def append(self, call_id: str, entries: Sequence[JournalEntry]) -> None:
        """Add entries in order; they are durable against the death of the process when this returns."""
        ...

    async def read(self, call_id: str) -> tuple[JournalEntry, ...]:
        """Everything written, in order; a torn last line is left out. Empty for an unknown call."""
        ...

    async def open_calls(self) -> tuple[str, ...]:
        """Calls that have a journal, oldest first."""
        ...

    async def discard(self, call_id: str) -> None:
        """Forget the journal of an archived call; silent where none is."""
        ...


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON object of one tenant. ``version`` grows with each write; after ``expires_at`` it is as good as gone."""

    key: str
    body: Mapping[str, Any]
    version: int
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """Write a document. ``expected``: the version it must have (0: it must not exist; None: whatever it is)."""

    key: str
    body: Mapping[str, Any]
    expected: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a document; without ``expected`` silent where none is."""

    key: str
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Expect:
    """Write nothing, but the document must have this version (0: it must not exist)."""

    key: str
    expected: int


Change = Put | Delete | Expect
MOST_CHANGES = 25


class DocumentStore(Protocol):
    """Small JSON documents by tenant and key: configurations, keys, webhooks, jobs. Keys are ``kind/id`` paths of printable ASCII.

    A body has at most 300 KB as JSON. A document past its ``expires_at`` is given by no method and counts as missing.
    """

    async def get(self, tenant_id: str, key: str) -> Document | None:
        """The document, consistently read; None where none is."""
        ...

    async def list(self, tenant_id: str, prefix: str, *, limit: int, after: str = "", newest_first: bool = False) -> tuple[Document, ...]:
        """Documents whose key begins with ``prefix``, by key (``newest_first``: backwards), beyond the key ``after`` where one is given."""
        ...

    async def write(self, tenant_id: str, *changes: Change) -> tuple[int, ...]:
        """All changes (at most 25, each of another key) or none, in one transaction; the versions they made (0 for a deletion or check).

        Raises:
            Conflict: ``conflict``, an expected version does not hold.
        """
        ...


EffectState = Literal["new", "pending", "done"]


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of one call: ``new`` when ``begin`` made it just now, ``pending`` when begun before without an end, else ``done``."""

    state: EffectState
    output: str = ""
    failed: bool = False


class EffectLog(Protocol):
    """What tools did, written before and after: one effect per call id and effect id."""

    async def begin(self, tenant_id: str, call_id: str, effect_id: str, tool: str) -> Effect:
        """Write the intent, or give what is known of an earlier one. Atomic: of two at once only one sees ``new``."""
        ...

    async def finish(self, tenant_id: str, call_id: str, effect_id: str, *, output: str, failed: bool = False) -> None:
        """Write the outcome of a begun effect."""
        ...

    async def forget(self, tenant_id: str, call_id: str, effect_id: str) -> None:
        """Undo ``begin`` for an effect that certainly did not happen (its arguments were refused, its process never started)."""
        ...


class Seal(Protocol):
    """Keeps secrets unreadable where they lie. An owner is a tenant's id, or begins with it and a slash."""

    async def close(self, owner: str, text: str) -> str:
        """``text`` as something that only ``open`` with the same owner reads; another thing each time."""
        ...

    async def open(self, owner: str, sealed: str) -> str:
        """The text again. Raises StoreError ``store_unavailable`` for what this key did not seal for this owner."""
        ...


@dataclass(frozen=True, slots=True)
class SecretNote:
    """What may be told of a secret."""

    name: str
    last4: str
    updated_at: datetime


class SecretStore(Protocol):
    """Secrets of tenants: written by people, read by the platform only, sealed where they lie."""

    async def put(self, tenant_id: str, name: str, value: str) -> SecretNote:
        """Write or replace. Raises QuotaExceeded ``too_many_secrets``."""
        ...

    async def list(self, tenant_id: str) -> tuple[SecretNote, ...]:
        """Every secret, by name."""
        ...

    async def delete(self, tenant_id: str, name: str) -> None:
        """Raises NotFound ``secret_not_found``."""
        ...

    async def reveal(self, tenant_id: str, names: Sequence[str]) -> Mapping[str, str]:
        """The values of those that exist; for whoever sends a request on the tenant's behalf."""
        ...


class HttpTools(Protocol):
    """Runs declared tools over HTTPS."""

    async def run(self, tenant_id: str, tool: HttpTool, arguments: Mapping[str, Any], *, key: str, timeout_s: float) -> HttpOutcome:
        """Send it, again as often as a failing write allows (a read's retries are the caller's affair). Never raises for what the
        server does. Cancelled: the request is broken off.

        Args:
            key: the ``Idempotency-Key`` of all attempts.
            timeout_s: for each attempt.
        """
        ...
