"""Every key of the table and of the bucket: nothing else in the product spells one.

A tenant's items lie under partition keys that are ``TENANT#<id>`` or begin with ``TENANT#<id>#``, those of the index too, so that a
role limited to these two patterns (``dynamodb:LeadingKeys``) reads no other tenant. What belongs to nobody but the operator (media
processes, slots, journals of living calls, which tenant a call is of) begins with ``FLEET#``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import NamedTuple

from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.tenancy import PLATFORM
from nexus.errors import RequestRejected, StoreError

_CROCKFORD = {character: value for value, character in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}
_SORT_KEY_BYTES = 1024
_INDEXED_CHARACTERS = 200

JOURNALS = "FLEET#JOURNALS"
SLOTS_PREFIX = "SLOT#"
PROCESSES_PREFIX = "PROCESS#"
EXPIRY_PREFIX = "expiry/"
MEDIA_EXPIRY_PREFIX = "expiry/media/"
"""Sorts behind every date, so that who looks for expired transcripts never reads these."""


class Key(NamedTuple):
    """The primary key of one item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class TenantContext:
    """The tenant that a request works for; made only with an id that is a slug.

    Raises:
        RequestRejected: ``invalid_tenant_id``.
    """

    tenant_id: str

    def __post_init__(self) -> None:
        check_tenant_id(self.tenant_id)

    def partition(self, *kinds: str) -> str:
        """``TENANT#<id>`` or ``TENANT#<id>#<kind>...``."""
        return "#".join(("TENANT", self.tenant_id, *kinds))


def documents(owner: str) -> str:
    """The partition of a tenant's documents, or of the operator's."""
    return "FLEET#DOCUMENTS" if owner == PLATFORM else TenantContext(owner).partition("DOCUMENTS")


def document(owner: str, key: str) -> Key:
    """One document."""
    return Key(documents(owner), key)


def effects(of: TenantContext) -> str:
    """The partition of what the tenant's tools did."""
    return of.partition("EFFECTS")


def calls(of: TenantContext) -> str:
    """The partition of the tenant's calls in the ledger."""
    return of.partition("CALLS")


def call_requests(of: TenantContext) -> str:
    """The partition of the tenant's Idempotency-Keys."""
    return of.partition("CALLKEYS")


def tool_values(of: TenantContext) -> str:
    """The partition of what the tenant's tools have stored."""
    return of.partition("TOOLS")


def tool_value(of: TenantContext, key: str) -> Key:
    """One stored value.

    Raises:
        StoreError: the key is longer than DynamoDB allows (1,023 bytes of UTF-8).
    """
    if len(key.encode()) >= _SORT_KEY_BYTES:
        raise StoreError("store_unavailable", f"A key of the tool store may have {_SORT_KEY_BYTES - 1} bytes of UTF-8; shorten it.")
    return Key(tool_values(of), f"={key}")


def effect(of: TenantContext, call_id: str, effect_id: str) -> Key:
    """What a tool did in a call."""
    return Key(effects(of), f"{check_call_id(call_id)}#{effect_id}")


def sessions(of: TenantContext) -> str:
    """The partition of the session index."""
    return of.partition("SESSIONS")


def session(of: TenantContext, call_id: str) -> Key:
    """One row of the session index."""
    return Key(sessions(of), check_call_id(call_id))


def sessions_of_status(of: TenantContext, status: str) -> str:
    """Index: the sessions of one status."""
    return of.partition("SESSIONS", status)


def leads(of: TenantContext) -> str:
    """The partition of the analyses."""
    return of.partition("LEADS")


def lead(of: TenantContext, call_id: str) -> Key:
    """The analysis of one call."""
    return Key(leads(of), check_call_id(call_id))


def leads_of_outcome(of: TenantContext, outcome: str) -> str:
    """Index: the analyses of one outcome, of which a model wrote the words."""
    return of.partition("LEADS", outcome[:_INDEXED_CHARACTERS])


def call(of: TenantContext, call_id: str) -> Key:
    """A call in the ledger."""
    return Key(calls(of), check_call_id(call_id))


def call_request(of: TenantContext, idempotency_key: str) -> Key:
    """Which call an Idempotency-Key stands for."""
    return Key(call_requests(of), hashlib.sha256(idempotency_key.encode("utf-8", "surrogatepass")).hexdigest())


def seats(of: TenantContext) -> str:
    """The partition of the tenant's seats."""
    return of.partition("SEATS")


def seat(of: TenantContext, index: int) -> Key:
    """One of the tenant's seats."""
    return Key(seats(of), f"{index:06}")


def fleet(name: str) -> str:
    """The partition of a fleet: its processes and their slots."""
    return f"FLEET#{name}"


def process(fleet_name: str, process_id: str) -> Key:
    """One media process."""
    return Key(fleet(fleet_name), PROCESSES_PREFIX + _plain(process_id))


def slots(process_id: str) -> str:
    """How the sort keys of a process's slots begin."""
    return f"{SLOTS_PREFIX}{_plain(process_id)}#"


def slot(fleet_name: str, process_id: str, index: int) -> Key:
    """One engine slot of a process."""
    return Key(fleet(fleet_name), f"{slots(process_id)}{index:06}")


def journalled(call_id: str) -> Key:
    """A call's line in the list of journals."""
    return Key(JOURNALS, check_call_id(call_id))


def journal(call_id: str) -> str:
    """The partition of a call's journal."""
    return f"FLEET#JOURNAL#{check_call_id(call_id)}"


def journal_part(call_id: str, number: int) -> Key:
    """One writing to a call's journal; they sort in the order of writing."""
    return Key(journal(call_id), f"{number:010}")


# --- the bucket --------------------------------------------------------------------------------------------------------------


def session_objects(of: TenantContext) -> str:
    """How the names of a tenant's archived sessions begin."""
    return f"sessions/tenant_id={of.tenant_id}/"


def tenant_objects(of: TenantContext) -> tuple[str, ...]:
    """How the names of all objects of a tenant begin, the marks apart: those say nothing but ids, and go when they are due."""
    return tuple(f"{kind}/tenant_id={of.tenant_id}/" for kind in ("private", "media", "sessions"))


def session_object(of: TenantContext, call_id: str) -> str:
    """An archived session."""
    return f"{session_objects(of)}dt={ordered_on(call_id)}/{call_id}.json.gz"


def read_session_object(name: str) -> tuple[TenantContext, str]:
    """Whose archived session of which call an object's name means. Raises RequestRejected for a stranger's object."""
    parts = name.split("/")
    tenant_id = parts[1].removeprefix("tenant_id=") if len(parts) == 4 else ""
    of, call_id = TenantContext(tenant_id), check_call_id(call_of_object(name))
    if session_object(of, call_id) != name:
        raise RequestRejected("invalid_request", "This is no name of an archived session.")
    return of, call_id


def analytics_objects(of: TenantContext) -> str:
    """How the names of a tenant's files of analytics rows begin."""
    return f"lake/sessions/tenant_id={of.tenant_id}/"


def private_object(of: TenantContext, call_id: str) -> str:
    """A private transcript."""
    return f"private/tenant_id={of.tenant_id}/dt={ordered_on(call_id)}/{call_id}.json.gz"


def media_object(of: TenantContext, call_id: str, name: str) -> str:
    """A recording or another file of a call. Raises RequestRejected where ``name`` is no plain file name."""
    if not name or name.startswith(".") or not all(letter.isalnum() or letter in "._-" for letter in name):
        raise RequestRejected("invalid_request", "A file of a call is named with letters, digits, dots, - and _.")
    return f"{media_objects(of)}dt={ordered_on(call_id)}/{call_id}/{name}"


def media_objects(of: TenantContext) -> str:
    """How the names of a tenant's recordings begin."""
    return f"media/tenant_id={of.tenant_id}/"


def expiry_mark(of: TenantContext, call_id: str, delete_after: datetime) -> str:
    """An empty object whose name says which private transcript to delete when; names sort by that time."""
    return f"{EXPIRY_PREFIX}{_moment(delete_after)}/{of.tenant_id}/{check_call_id(call_id)}"


def expired_before(now: datetime) -> str:
    """Marks whose names sort below this are due (the moment itself is)."""
    return f"{EXPIRY_PREFIX}{_moment(now)}0"


def read_expiry_mark(name: str) -> tuple[TenantContext, str]:
    """Whose transcript of which call a mark means. Raises RequestRejected for a stranger's object."""
    _, _, tenant_id, call_id = name.split("/") if name.count("/") == 3 else ("", "", "", "")
    return TenantContext(tenant_id), check_call_id(call_id)


def media_expiry_mark(of: TenantContext, call_id: str, delete_after: datetime) -> str:
    """An empty object whose name says which recording to delete when; names sort by that time."""
    return f"{MEDIA_EXPIRY_PREFIX}{_moment(delete_after)}/{of.tenant_id}/{check_call_id(call_id)}"


def media_expired_before(now: datetime) -> str:
    """Marks of recordings whose names sort below this are due (the moment itself is)."""
    return f"{MEDIA_EXPIRY_PREFIX}{_moment(now)}0"


def read_media_expiry_mark(name: str) -> tuple[TenantContext, str]:
    """Whose recording of which call a mark means. Raises RequestRejected for a stranger's object."""
    return read_expiry_mark(EXPIRY_PREFIX + name.removeprefix(MEDIA_EXPIRY_PREFIX))


def call_of_object(name: str) -> str:
    """The call id in the name of an archived session."""
    return name.rsplit("/", 1)[-1].removesuffix(".json.gz")


def ordered_on(call_id: str) -> date:
    """The day (UTC) on which a call was ordered: its id says so, and it never changes.

    **Source:** the ULID specification: the first ten of the 26 characters are 48 bits of Unix time in milliseconds.
    """
    at_ms = 0
    for character in check_call_id(call_id).removeprefix("call_")[:10]:
        at_ms = at_ms << 5 | _CROCKFORD[character]
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).date()
    except (ValueError, OverflowError, OSError) as error:
        raise RequestRejected("invalid_request", "The time in this call id is no time of a calendar.") from error


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _plain(process_id: str) -> str:
    if not process_id or "#" in process_id:
        raise RequestRejected("invalid_request", "A process id has no # in it.")
    return process_id
