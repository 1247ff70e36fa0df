"""API keys as text: what they look like, and how they are kept. Pure.

``nx_live_<tenant>_<key><secret>``: the tenant's id, the 26 characters of the key's ULID, 43 random ones. The tenant and the key are named
so that one read finds the key; only a keyed hash of the whole text is kept, so that a stolen store opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Literal

from nexus.domain.ids import check_tenant_id
from nexus.errors import NotAuthorised, RequestRejected

Mode = Literal["live", "test", "pub"]
_KEY = re.compile(r"nx_(live|test|pub)_([a-z0-9_-]{2,63})_([0-7][0-9A-HJKMNP-TV-Z]{25})([A-Za-z0-9]{43})", re.ASCII)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
SECRET_BYTES = 43
"""Random bytes that one secret is made of; each gives one character of 62, more than 240 bits in all."""
PREFIX = "nx_"


@dataclass(frozen=True, slots=True)
class KeyText:
    """What the text of a key says of itself. Nothing of it is proven."""

    mode: Mode
    tenant_id: str
    key_id: str


def write_key(mode: Mode, tenant_id: str, key_id: str, entropy: bytes) -> str:
    """The text of a key.

    Args:
        entropy: ``SECRET_BYTES`` random bytes.
    """
    secret = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy)
    return f"nx_{mode}_{tenant_id}_{key_id.removeprefix('key_')}{secret}"


def read_key(text: str) -> KeyText:
    """Take the text apart. Raises NotAuthorised ``credential_invalid``."""
    found = _KEY.fullmatch(text)
    if found is None:
        raise invalid_key()
    try:
        tenant_id = check_tenant_id(found[2])
    except RequestRejected as error:
        raise invalid_key() from error
    mode: Mode = "live" if found[1] == "live" else "test" if found[1] == "test" else "pub"
    return KeyText(mode, tenant_id, f"key_{found[3]}")


def key_hash(text: str, pepper: bytes) -> str:
    """What is kept of a key: HMAC-SHA-256 with a secret that lies apart from the store."""
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Whether two hashes are equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def invalid_key() -> NotAuthorised:
    """What every key that is not taken is answered with, whatever is wrong with it."""
    return NotAuthorised("credential_invalid", "This API key is none that is taken here; look for a missing character, or make another.")
