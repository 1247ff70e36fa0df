"""Who gets in: a handshake becomes an admitted call, or a refusal with a code, before the socket is upgraded."""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from media_plane.relay import Elsewhere
from media_plane.server.priming import OpenHouse, Seats
from media_plane.server.rates import CameFrom, ConnectLimits, ConnectRates
from media_plane.transports.handshake import chosen_subprotocol, offered_ticket
from media_plane.transports.simple_door import parse_customer_phone, parse_output
from nexus import tickets
from nexus.clock import Clock
from nexus.domain.call import CallEntry, Caller, CallOrder
from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.tenant import TenantConfig
from nexus.errors import NotAuthorised, NotFound, QuotaExceeded, UpstreamError
from nexus.ports.calls import CallLedger
from nexus.ports.ids import Ids
from nexus.ports.tenants import TenantStore

_CALL_PATH = re.compile(r"/v1/calls/([^/]+)")
_SIMPLE_PATH = re.compile(r"/ws/call/([^/]+)")
_LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a client says before it is let in."""

    path: str
    host: str = ""
    origin: str = ""
    authorization: str = ""
    subprotocols: tuple[str, ...] = ()
    customer_phone: str = ""
    output: str = ""
    relayed_by: str = ""
    peer: str = ""
    forwarded_for: str = ""


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """How the door decides.

    Attributes:
        public_keys: by kid.
        allowed_origins: beside the page's own host and loopback.
        simple_door: opens the original's door.
        weights: how much of scarce slots a tenant is due; 1 without.
        relays: a socket whose slot another process holds is passed on to it.
        rates: how often sockets may be opened.
    """

    process_id: str
    public_keys: Mapping[str, str]
    allowed_origins: frozenset[str] = frozenset()
    simple_door: bool = False
    weights: Mapping[str, int] = field(default_factory=dict)
    relays: bool = False
    rates: ConnectLimits = field(default_factory=ConnectLimits)


@dataclass(frozen=True, slots=True)
class Admission:
    """A call that holds its seat and slot in this process, and waits for its socket."""

    entry: CallEntry
    config: TenantConfig
    door: Literal["nexus.v1", "simple"]
    output: str = ""
    config_version: int = 0


@dataclass(frozen=True, slots=True)
class AdmissionStores:
    """What admission asks."""

    tenants: TenantStore
    ledger: CallLedger
    ids: Ids


class Doorkeeper:
    """Admits calls. Every refusal is a ``NexusError`` whose code has an HTTP status.

    ``opens_to``: everybody; ``leases``: those whose slot is in this process already, and sockets to be passed on to another (the process
    drains); nobody.
    """

    def __init__(self, stores: AdmissionStores, policy: DoorPolicy, clock: Clock, seats: Seats | None = None) -> None:
        self._stores = stores
        self._policy = policy
        self._clock = clock
        self._seats = seats or OpenHouse()
        self._rates = ConnectRates(policy.rates, clock)
        self.opens_to: Literal["everybody", "leases", "nobody"] = "everybody"

    def knock(self, handshake: Handshake) -> None:
        """Count the handshake; come first, once. No store is asked for it.

        Raises:
            QuotaExceeded: ``rate_limited``.
            NotAuthorised: like ``admit``, for a ticket that is none.
        """
        self._rates.check_address(CameFrom(handshake.peer, handshake.forwarded_for, handshake.relayed_by))
        if match := _CALL_PATH.fullmatch(handshake.path):
            token = offered_ticket(handshake.subprotocols, handshake.authorization)
            ticket = tickets.check(token, self._policy.public_keys, call_id=check_call_id(match[1]), now=self._clock.now())
            self._rates.check_tenant(ticket.tenant_id)
        elif (match := _SIMPLE_PATH.fullmatch(handshake.path)) and self._policy.simple_door:
            self._rates.check_tenant(check_tenant_id(match[1]))

    async def elsewhere(self, handshake: Handshake) -> Elsewhere | None:
        """Where the socket belongs when another process holds its slot; None: it is for ``admit``. Burns nothing.

        Raises:
            NotFound, NotAuthorised, QuotaExceeded: like ``admit``.
            UpstreamError: ``relay_failed``: it has been relayed to here, and does not belong here either.
        """
        match = _CALL_PATH.fullmatch(handshake.path)
        if match is None or not self._policy.relays:
            return None
        self._check_open_to("everybody", "leases")
        call_id, now = check_call_id(match[1]), self._clock.now()
        token = offered_ticket(handshake.subprotocols, handshake.authorization)
        ticket = tickets.check(token, self._policy.public_keys, call_id=call_id, now=now)
        entry = await self._stores.ledger.get(ticket.tenant_id, call_id)
        if entry.process_id == self._policy.process_id or not entry.process_url:
            return None
        if handshake.relayed_by:
            raise UpstreamError("relay_failed", "The media process that held this call is gone; ask POST /calls again.")
        self._check_origin(handshake, (await self._stores.tenants.for_call(ticket.tenant_id, ticket.config_version)).origins)
        subprotocols = (*filter(None, (chosen_subprotocol(handshake.subprotocols),)),)
        return Elsewhere(call_id, ticket.tenant_id, entry.process_url, token, subprotocols, self._policy.process_id)

    def _check_open_to(self, *whom: str) -> None:
        if self.opens_to not in whom:
            raise QuotaExceeded("draining", "This process takes no new calls; ask POST /calls again.", retry_after_s=1)

    async def admit(self, handshake: Handshake) -> Admission:
        """Check origin, ticket and capacity, burn the ticket. A full house leaves the ticket good.

        Raises:
            NotFound: ``route_not_found``, ``call_not_found``, ``tenant_not_found``.
            NotAuthorised: a ``ticket_*`` code, ``origin_not_allowed``, ``door_closed``, ``tenant_suspended``.
            QuotaExceeded: ``draining``, ``no_engine_slot``, and for the simple door the ledger's refusals.
        """
        self._check_open_to("everybody", "leases")
        if match := _CALL_PATH.fullmatch(handshake.path):
            return await self._by_ticket(check_call_id(match[1]), handshake)
        if match := _SIMPLE_PATH.fullmatch(handshake.path):
            return await self._by_simple_door(check_tenant_id(match[1]), handshake)
        raise NotFound("route_not_found", "Sockets are served at /v1/calls/{call_id}.")

    async def _by_ticket(self, call_id: str, handshake: Handshake) -> Admission:
        token = offered_ticket(handshake.subprotocols, handshake.authorization)
        now = self._clock.now()
        ticket = tickets.check(token, self._policy.public_keys, call_id=call_id, now=now)
        terms = await self._stores.tenants.for_call(ticket.tenant_id, ticket.config_version)
        self._check_origin(handshake, terms.origins)
        await self._check_lease(ticket.tenant_id, call_id)
        config = terms.config
        with self._held(call_id, config):
            entry = await self._stores.ledger.redeem(
                ticket.tenant_id, call_id, nonce=ticket.nonce, process_id=self._policy.process_id, now=now
            )
        return Admission(entry, config, "nexus.v1", config_version=terms.version)

    async def _check_lease(self, tenant_id: str, call_id: str) -> None:
        """A process that drains takes over no call whose slot is elsewhere; one that was given its slot before is served."""
        if self.opens_to == "leases" and (await self._stores.ledger.get(tenant_id, call_id)).process_id != self._policy.process_id:
            self._check_open_to("everybody")

    async def _by_simple_door(self, tenant_id: str, handshake: Handshake) -> Admission:
        self._check_open_to("everybody")
        if not self._policy.simple_door:
            raise NotAuthorised("door_closed", "This door is for development (DEV_DOOR); use POST /v1/tenants/{tenant_id}/calls.")
        if handshake.origin != "null":  # a page opened from a file has the origin null
            self._check_origin(handshake)
        self._check_rebinding(handshake)
        parse_output(handshake.output)
        call_id = self._stores.ids.new("call")
        caller = Caller(phone=parse_customer_phone(handshake.customer_phone))
        terms = await self._stores.tenants.for_call(tenant_id, pick=caller.phone or call_id)
        config = terms.config
        now = self._clock.now()
        nonce = secrets.token_urlsafe(16)
        order = CallOrder(
            tenant_id=tenant_id,
            config_hash=config.config_hash,
            config_version=terms.version,
            caller=caller,
            metadata={"door": "simple"},
            weight=self._policy.weights.get(tenant_id, 1),
        )
        with self._held(call_id, config):
            reserved = await self._stores.ledger.reserve(
                order,
                call_id=call_id,
                nonce=nonce,
                tenant_limit=config.limits.concurrent_calls,
                lease_s=tickets.TICKET_LIFETIME_S,
                now=now,
            )
            entry = await self._stores.ledger.redeem(tenant_id, reserved.call_id, nonce=nonce, process_id=self._policy.process_id, now=now)
        return Admission(entry, config, "simple", handshake.output, terms.version)

    @contextmanager
    def _held(self, call_id: str, config: TenantConfig) -> Iterator[None]:
        """Room in the engine for the call; given up when the block fails, kept for the call when it does not."""
        self._seats.hold(call_id, config)
        try:
            yield
        except BaseException:  # also cancellation: whoever does not come in holds nothing
            self._seats.let_go(call_id)
            raise

    def _check_rebinding(self, handshake: Handshake) -> None:
        """Without a ticket, a stranger's host name that DNS points at this machine must not pass for the page's own host."""
        if handshake.origin in ("", "null") or handshake.origin in self._policy.allowed_origins:
            return
        if not _is_own_name(handshake.host):
            raise NotAuthorised("origin_not_allowed", "Pages of this host name may not open calls; add the origin to ALLOWED_ORIGINS.")

    def _check_origin(self, handshake: Handshake, of_tenant: tuple[str, ...] = ()) -> None:
        """A browser names its page: only pages of this host, of loopback, of the allow-list and of the tenant's may open a call."""
        if not handshake.origin or handshake.origin in self._policy.allowed_origins or handshake.origin in of_tenant:
            return
        if not _is_own_page(handshake.origin, handshake.host):
            raise NotAuthorised("origin_not_allowed", "Pages of this origin may not open calls; add it to ALLOWED_ORIGINS.")


def _is_own_name(host: str) -> bool:
    """Loopback, or an address: those no stranger's DNS can point elsewhere."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # not a host: "["
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in _LOOPBACK_HOSTS
    return True


def _is_own_page(origin: str, host: str) -> bool:
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
    except ValueError:  # not a URL: "http://["
        return False
    if page.netloc and page.netloc == host:
        return True
    return page.hostname in _LOOPBACK_HOSTS and here.hostname in _LOOPBACK_HOSTS
