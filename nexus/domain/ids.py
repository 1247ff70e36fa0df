"""Ids: prefixed ULIDs for what happens, slugs for tenants.

**Source:** the ULID specification (github.com/ulid/spec): 48 bits of milliseconds, 80 bits of randomness, Crockford base 32.
"""

from __future__ import annotations

import re

from nexus.errors import RequestRejected

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TENANT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{1,62}")
_CALL_ID = re.compile(r"call_[0-7][0-9A-HJKMNP-TV-Z]{25}")
_PREFIXED = re.compile(r"[a-z]+_[0-7][0-9A-HJKMNP-TV-Z]{25}")
RESERVED_TENANT_IDS = frozenset({"all", "none", "null", "undefined", "default", "system", "admin", "nexus"})


def ulid(at_ms: int, entropy: bytes) -> str:
    """26 characters that sort by time.

    Args:
        at_ms: milliseconds since the Unix epoch, below 2**48.
        entropy: ten random bytes.
    """
    value = (at_ms << 80) | int.from_bytes(entropy[:10], "big")
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))


def made_at_ms(prefixed: str) -> int:
    """When a prefixed ULID (``call_...``) was made, in milliseconds since the Unix epoch; 0 for what is none."""
    if _PREFIXED.fullmatch(prefixed) is None:
        return 0
    value = 0
    for letter in prefixed[-26:-16]:
        value = value << 5 | _CROCKFORD.index(letter)
    return value


def check_tenant_id(tenant_id: str) -> str:
    """Give the id back when it is a slug that is safe in paths, keys and URLs.

    Raises:
        RequestRejected: ``invalid_tenant_id``.
    """
    if _TENANT_ID.fullmatch(tenant_id) is None or tenant_id in RESERVED_TENANT_IDS:
        raise RequestRejected(
            "invalid_tenant_id",
            "A tenant id has 2 to 63 characters of a-z, 0-9, _ and -, begins with a letter or digit, and is not a reserved word.",
        )
    return tenant_id


def check_call_id(call_id: str) -> str:
    """Give the id back when it has the form ``call_<ULID>``.

    Raises:
        RequestRejected: ``invalid_request``.
    """
    if _CALL_ID.fullmatch(call_id) is None:
        raise RequestRejected("invalid_request", "A call id has the form call_ followed by a ULID of 26 characters.")
    return call_id
