"""What was answered under an Idempotency-Key: a repeated request is answered again, and not done again.

One document a key, in the owner's own documents, for a day. It is written before the work (``open``, with a lease) and after it (``done``,
with the answer). Answers may hold a secret that is shown once, so each is encrypted under a key that is made of a secret of the server and
of the client's Idempotency-Key: the store alone, and the store with the server's secret, open nothing.

**Source:** draft-ietf-httpapi-idempotency-key-header (409 while in flight, 422 for another body).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nexus.clock import Clock
from nexus.errors import Conflict, QuotaExceeded, RequestRejected, StoreError
from nexus.ports.documents import Delete, Document, DocumentStore, Put

KEPT = timedelta(hours=24)
LEASE_S = 60
LONGEST_KEY = 255
LONGEST_ANSWER_BYTES = 150_000
_RETRY_AFTER_S = 2
_NONCE_BYTES = 12
_log = logging.getLogger("nexus.idempotency")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request with an Idempotency-Key.

    Attributes:
        owner: whose documents the answer lies in.
        principal: who asks; the same key of somebody else is another key.
        operation_id: what is asked for; the same key for something else is another key.
        key: the header's value.
        fingerprint: the same for the same path, query and body only.
    """

    owner: str
    principal: str
    operation_id: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reservation:
    """The right to do the work under a key, until the lease ends. End it with ``keep`` or ``free``."""

    request: KeyedRequest
    version: int


class IdempotencyBook:
    """Reserves keys and keeps answers.

    Args:
        documents: where they lie.
        clock: wall time.
        secret: part of what answers are encrypted with.
    """

    def __init__(self, documents: DocumentStore, clock: Clock, secret: bytes) -> None:
        self._documents = documents
        self._clock = clock
        self._secret = secret

    async def begin(self, request: KeyedRequest) -> KeptAnswer | Reservation:
        """The answer given before, or the right to do the work.

        Raises:
            RequestRejected: ``invalid_request`` for a key that is none, ``idempotency_key_reused`` for another body.
            QuotaExceeded: ``idempotency_in_flight``: the same request is being done just now.
            Conflict: ``conflict``: done, but the answer is not to be had any more.
        """
        check_key(request.key)
        place = _place(request)
        try:
            return await self._reserve(request, expected=0)
        except Conflict:
            found = await self._documents.get(request.owner, place)
        if found is None:  # it ended between the two looks
            raise _in_flight()
        if found.body["fingerprint"] != request.fingerprint:
            raise RequestRejected("idempotency_key_reused", "This Idempotency-Key was used with another request; take a fresh key.")
        if found.body["state"] == "done":
            return self._opened(request, found)
        if datetime.fromisoformat(found.body["leased_until"]) > self._clock.now():
            raise _in_flight()
        try:  # whoever began it is gone
            return await self._reserve(request, expected=found.version)
        except Conflict as error:
            raise _in_flight() from error

    async def keep(self, reservation: Reservation, answer: KeptAnswer) -> None:
        """The work is done: from now on the key gives this answer. A store that fails costs the repeat, not the answer itself."""
        request = reservation.request
        body = {"state": "done", "fingerprint": request.fingerprint}
        if len(answer.body) <= LONGEST_ANSWER_BYTES:
            body["answer"] = self._sealed(request, answer)
        change = Put(_place(request), body, expected=reservation.version, expires_at=self._clock.now() + KEPT)
        try:
            await self._documents.write(request.owner, change)
        except StoreError as error:
            _log.warning("the answer of %s is not kept under its Idempotency-Key: %s", request.operation_id, error.code)

    async def free(self, reservation: Reservation) -> None:
        """The work was refused or failed: the key may be used again at once. What cannot be freed ends with its lease."""
        request = reservation.request
        try:
            await self._documents.write(request.owner, Delete(_place(request), expected=reservation.version))
        except StoreError as error:
            _log.warning("an Idempotency-Key of %s stays reserved until its lease ends: %s", request.operation_id, error.code)

    async def _reserve(self, request: KeyedRequest, *, expected: int) -> Reservation:
        now = self._clock.now()
        leased_until = (now + timedelta(seconds=LEASE_S)).isoformat()
        body = {"state": "open", "fingerprint": request.fingerprint, "leased_until": leased_until}
        change = Put(_place(request), body, expected=expected, expires_at=now + KEPT)
        return Reservation(request, (await self._documents.write(request.owner, change))[0])

    def _sealed(self, request: KeyedRequest, answer: KeptAnswer) -> str:
        plain = json.dumps([answer.status, answer.headers, base64.b64encode(answer.body).decode()]).encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._cipher_key(request)).encrypt(nonce, plain, request.fingerprint.encode())
        return base64.b64encode(nonce + sealed).decode()

    def _opened(self, request: KeyedRequest, found: Document) -> KeptAnswer:
        sealed = found.body.get("answer")
        if sealed is None:
            raise Conflict("conflict", "This request has been done; its answer was too long to be kept. Read what it made.")
        raw = base64.b64decode(sealed)
        cipher = AESGCM(self._cipher_key(request))
        try:
            plain = cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], request.fingerprint.encode())
        except InvalidTag as error:  # the server's secret has been exchanged since
            raise Conflict("conflict", "This request has been done; its answer can no longer be read. Read what it made.") from error
        status, headers, body = json.loads(plain)
        return KeptAnswer(status, tuple((name, value) for name, value in headers), base64.b64decode(body))

    def _cipher_key(self, request: KeyedRequest) -> bytes:
        return hmac.new(self._secret, b"idempotency answer\0" + _name(request), hashlib.sha256).digest()


def check_key(key: str) -> None:
    """Raises RequestRejected ``invalid_request`` for a key that is too long or not plain text."""
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable() or not key.isascii():
        raise RequestRejected("invalid_request", f"Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.")


def fingerprint(method: str, target: str, body: bytes) -> str:
    """The same for the same request only; white space and the order of names in a JSON body do not matter.

    Args:
        target: path and query.
    """
    with suppress(ValueError, RecursionError):  # what is not JSON is told by its bytes; the route will say what it thinks of it
        body = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256()
    for part in (method.encode(), target.encode(), body):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _place(request: KeyedRequest) -> str:
    # Keyless SHA-256 will do: a client's key is random, or as guessable as the client chose.
    return f"idempotency/{hashlib.sha256(_name(request)).hexdigest()}"


def _name(request: KeyedRequest) -> bytes:
    parts = (request.owner, request.principal, request.operation_id, request.key)
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)


def _in_flight() -> QuotaExceeded:
    return QuotaExceeded(
        "idempotency_in_flight", "The same request is being done just now; ask again in a moment.", retry_after_s=_RETRY_AFTER_S
    )
