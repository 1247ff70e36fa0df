"""Secrets sealed with a key that lies apart from the store.

**Source:** NIST SP 800-38D (AES-GCM): a fresh 96-bit nonce for each text; the owner is authenticated with it.
"""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nexus.errors import StoreError

_VERSION = "v1:"
_NONCE_BYTES = 12


class AesSeal:
    """``nexus.ports.secrets.Seal`` with a key of ours.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    async def close(self, owner: str, text: str) -> str:
        """The sealed text; another one each time."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _VERSION + base64.b64encode(nonce + self._cipher.encrypt(nonce, text.encode(), owner.encode())).decode()

    async def open(self, owner: str, sealed: str) -> str:
        """The text. Raises StoreError ``store_unavailable`` where the key, the owner or the seal is another."""
        try:
            raw = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise StoreError("store_unavailable", "A kept secret cannot be opened with this installation's key; set it anew.") from error
