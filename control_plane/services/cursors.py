"""Opaque page cursors, signed and bound to what is being listed. Pure.

A cursor holds the id of the last row a page showed. Its signature covers the kind of list, the tenant and the filter too, so a cursor
of another tenant or of another question is refused, and nobody can make one up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from nexus.errors import RequestRejected

_MAC_BYTES = 16
_LONGEST = 512
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed: the kind of row, whose, and a text that is the same for the same filter only."""

    kind: str
    tenant_id: str
    where: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list, newest first; ``next_cursor`` is None on the last one."""

    data: tuple[Row, ...]
    next_cursor: str | None = None


def sign_cursor(key: bytes, listing: Listing, last_id: str) -> str:
    """The cursor for the page after ``last_id``."""
    return base64.urlsafe_b64encode(_mac(key, listing, last_id) + last_id.encode()).decode().rstrip("=")


def read_cursor(key: bytes, listing: Listing, cursor: str) -> str:
    """The id that the cursor stands at; empty for an empty cursor.

    Raises:
        RequestRejected: ``invalid_cursor``.
    """
    if not cursor:
        return ""
    try:
        raw = base64.b64decode(cursor[:_LONGEST] + "=" * (-len(cursor[:_LONGEST]) % 4), altchars=b"-_", validate=True)
        last_id = raw[_MAC_BYTES:].decode()
    except (binascii.Error, ValueError) as error:
        raise _refused() from error
    if not last_id or not hmac.compare_digest(raw[:_MAC_BYTES], _mac(key, listing, last_id)):
        raise _refused()
    return last_id


def page_of(key: bytes, listing: Listing, rows: Sequence[Row], limit: int, id_of: Callable[[Row], str]) -> Page[Row]:
    """Cut ``limit + 1`` fetched rows to a page: the extra row only tells that there are more."""
    shown = tuple(rows[:limit])
    more = len(rows) > limit
    return Page(shown, sign_cursor(key, listing, id_of(shown[-1])) if more else None)


def _mac(key: bytes, listing: Listing, last_id: str) -> bytes:
    parts = (listing.kind, listing.tenant_id, listing.where, last_id)
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _refused() -> RequestRejected:
    return RequestRejected(
        "invalid_cursor", "This cursor is not for this list: send next_cursor as it was given, with the same tenant and filters, or none."
    )
