"""Secrets sealed by a key of KMS that nobody can read: each text under a data key of its own, which KMS opens for its tenant only.

**Source:** AWS KMS Developer Guide, "GenerateDataKey" and "Encryption context": the context is authenticated, logged, and a condition of
policies (``kms:EncryptionContext:tenant_id``).
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from typing import Any

from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nexus.adapters.aws.connection import Connection, code_of
from nexus.adapters.seal import AesSeal
from nexus.errors import StoreError

_VERSION = "k1:"
_NONCE_BYTES = 12
_NOT_OPENED = ("InvalidCiphertextException", "IncorrectKeyException", "KMSInvalidStateException", "NotFoundException")


class KmsSeal:
    """``nexus.ports.secrets.Seal`` by KMS. What ``before`` sealed it still opens, so that an installation can change over.

    Args:
        connection: how KMS is asked; its role needs GenerateDataKey to close, Decrypt to open.
        key: ARN, id or alias of the key.
        before: the seal that was used before.
    """

    def __init__(self, connection: Connection, key: str, before: AesSeal) -> None:
        self._connection = connection
        self._key = key
        self._before = before

    async def close(self, owner: str, text: str) -> str:
        """See ``Seal.close``. Raises Unavailable."""
        asked = {"KeyId": self._key, "KeySpec": "AES_256", "EncryptionContext": _context(owner)}
        made = await self._connection.send(lambda: self._kms().generate_data_key(**asked))
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = AESGCM(made["Plaintext"]).encrypt(nonce, text.encode(), owner.encode())
        parts = {"key": made["CiphertextBlob"], "body": nonce + body}
        return _VERSION + json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()}, separators=(",", ":"))

    async def open(self, owner: str, sealed: str) -> str:
        """See ``Seal.open``. Raises Unavailable."""
        if not sealed.startswith(_VERSION):
            return await self._before.open(owner, sealed)
        try:
            parts = {name: base64.b64decode(part, validate=True) for name, part in json.loads(sealed.removeprefix(_VERSION)).items()}
            key = await self._data_key(owner, parts["key"])
            raw = parts["body"]
            return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _unreadable() from error

    async def _data_key(self, owner: str, blob: bytes) -> bytes:
        asked = {"KeyId": self._key, "CiphertextBlob": blob, "EncryptionContext": _context(owner)}

        def request() -> bytes | None:
            try:
                return bytes(self._kms().decrypt(**asked)["Plaintext"])
            except ClientError as error:
                if code_of(error) in _NOT_OPENED:
                    return None
                raise

        key = await self._connection.send(request)
        if key is None:
            raise _unreadable()
        return key

    def _kms(self) -> Any:
        return self._connection.client("kms")


def _context(owner: str) -> dict[str, str]:
    """Who owns the secret; an owner begins with the tenant's id."""
    return {"tenant_id": owner.partition("/")[0], "application": "nexus"}


def _unreadable() -> StoreError:
    return StoreError("store_unavailable", "A kept secret cannot be opened with this installation's key; set it anew.")
