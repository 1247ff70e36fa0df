"""The desk where calls are ordered: limits, a seat and a slot, and the ticket that opens the socket."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nexus import tickets
from nexus.clock import Clock
from nexus.domain.call import CallEntry, Caller, CallOrder, RecordingWish
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import Conflict, RequestRejected
from nexus.ports.calls import CallLedger
from nexus.ports.ids import Ids
from nexus.ports.tenants import CallTerms, TenantStore

LONGEST_KEY = 255
_TRIES = 4


def new_nonce() -> str:
    """A fresh ticket id: 128 random bits."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """How tickets are made.

    Attributes:
        signing_key: the private key (PEM) of tickets.
        engine: the name of the engine that calls will use.
        lease_s: how long a ticket and its seat wait for the caller, at most ``tickets.TICKET_LIFETIME_S``.
        nonce: makes a ticket id.
        weights: how much of scarce slots a tenant is due, by tenant; 1 without.
        turned: gives the key to sign with now, where it can be turned under a living process; None: ``signing_key`` always.
    """

    signing_key: str
    engine: str = "cascade"
    lease_s: int = tickets.TICKET_LIFETIME_S
    nonce: Callable[[], str] = new_nonce
    weights: Mapping[str, int] = field(default_factory=dict)
    turned: Callable[[], Awaitable[str]] | None = None


@dataclass(frozen=True, slots=True)
class CallRequest:
    """What a client asks for. ``body_hash`` is the same for the same body only."""

    idempotency_key: str
    body_hash: str
    caller: Caller = field(default_factory=Caller)
    metadata: tuple[tuple[str, str], ...] = ()
    max_duration_s: int | None = None
    test: bool = False
    recording: RecordingWish = "inherit"


@dataclass(frozen=True, slots=True)
class OrderedCall:
    """A call that waits for its caller, with the ticket that opens it until ``expires_at``."""

    entry: CallEntry
    ticket: str
    expires_at: datetime
    engine: str
    concurrent_calls: int
    max_duration_s: int


class CallDesk:
    """Orders, shows and ends calls.

    Args:
        tenants: whose limits hold.
        ledger: where seats and slots are taken.
        ids: gives call ids.
        clock: wall time.
        policy: how tickets are made.
    """

    def __init__(self, tenants: TenantStore, ledger: CallLedger, ids: Ids, clock: Clock, policy: CallPolicy) -> None:
        self._tenants = tenants
        self._ledger = ledger
        self._ids = ids
        self._clock = clock
        self._policy = policy

    async def create(self, tenant_id: str, request: CallRequest) -> OrderedCall:
        """Take a seat and a slot for a call, and sign its ticket.

        The same idempotency key with the same body gives the same call with a fresh ticket, until the call is connected.

        Raises:
            RequestRejected: ``invalid_tenant_id``, ``idempotency_key_required``, ``idempotency_key_reused``.
            NotFound, NotAuthorised, ConfigurationError: like ``TenantStore.for_call``.
            QuotaExceeded, Conflict: like ``CallLedger.reserve``.
        """
        _check_key(request.idempotency_key)
        call_id = self._ids.new("call")
        # the same caller meets the same of two versions, a caller that nobody knows whichever it is
        pick = request.caller.external_id or request.caller.phone or call_id
        for attempt in range(_TRIES):
            terms = await self._tenants.for_call(check_tenant_id(tenant_id), pick=pick)
            limits = terms.config.limits
            max_duration_s = min(request.max_duration_s or limits.max_duration_s, limits.max_duration_s)
            try:
                entry = await self._reserve(call_id, terms, request, max_duration_s)
            except Conflict as error:
                if error.code != "conflict" or attempt == _TRIES - 1:
                    raise
                continue  # the tenant was changed after its terms were read: perhaps it takes no calls any more
            return await self._with_ticket(entry, terms.config, max_duration_s)
        raise AssertionError("the loop returns or raises")

    async def get(self, tenant_id: str, call_id: str) -> CallEntry:
        """The call as the ledger has it. Raises NotFound ``call_not_found``."""
        return await self._ledger.get(check_tenant_id(tenant_id), check_call_id(call_id))

    async def end(self, tenant_id: str, call_id: str) -> CallEntry:
        """End a call that is not connected yet; ask the process that holds a living one to end it, within seconds.

        Asking again changes nothing. Raises like ``get``.
        """
        return await self._ledger.request_end(check_tenant_id(tenant_id), check_call_id(call_id))

    async def _reserve(self, call_id: str, terms: CallTerms, request: CallRequest, max_duration_s: int) -> CallEntry:
        tenant = terms.config
        order = CallOrder(
            tenant_id=tenant.tenant_id,
            config_hash=tenant.config_hash,
            config_version=terms.version,
            caller=request.caller,
            metadata=dict(request.metadata),
            max_duration_s=max_duration_s,
            test=request.test,
            recording=request.recording,
            idempotency_key=request.idempotency_key,
            body_hash=request.body_hash,
            weight=self._policy.weights.get(tenant.tenant_id, 1),
        )
        return await self._ledger.reserve(
            order,
            call_id=call_id,
            nonce=self._policy.nonce(),
            tenant_limit=tenant.limits.concurrent_calls,
            lease_s=self._policy.lease_s,
            now=self._clock.now(),
            standing=terms.standing,
        )

    async def _with_ticket(self, entry: CallEntry, tenant: TenantConfig, max_duration_s: int) -> OrderedCall:
        signing_key = self._policy.signing_key if self._policy.turned is None else await self._policy.turned()
        now = self._clock.now()
        longest = now + timedelta(seconds=tickets.TICKET_LIFETIME_S)
        # A ticket counts whole seconds: what is told is what is signed.
        expires_at = min(entry.lease_expires_at, longest).replace(microsecond=0)
        ticket = tickets.Ticket(entry.call_id, entry.order.tenant_id, entry.nonce, expires_at, entry.order.config_version)
        return OrderedCall(
            entry=entry,
            ticket=tickets.sign(ticket, signing_key, issued_at=now),
            expires_at=expires_at,
            engine=self._policy.engine,
            concurrent_calls=tenant.limits.concurrent_calls,
            max_duration_s=max_duration_s,
        )


def _check_key(key: str) -> None:
    if not key:
        raise RequestRejected(
            "idempotency_key_required",
            "Send the header Idempotency-Key with a fresh random value (a UUID will do), and the same value when you repeat the request.",
        )
    if len(key) > LONGEST_KEY or not key.isprintable() or not key.isascii():
        raise RequestRejected("invalid_request", f"Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")
