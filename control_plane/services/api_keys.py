"""The desk of API keys: made, listed, rotated, revoked; and asked, at every request, whose a key is."""

from __future__ import annotations

import logging
import secrets as randomness
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from control_plane.access.keys import SECRET_BYTES, KeyText, Mode, invalid_key, key_hash, read_key, same_hash, write_key
from control_plane.access.matrix import scopes
from control_plane.access.principal import Kind, Principal
from control_plane.services.cursors import Listing, Page, page_of, read_cursor
from nexus.clock import Clock
from nexus.context import working_for
from nexus.domain.ids import check_tenant_id
from nexus.errors import Conflict, NotAuthorised, NotFound, RequestRejected, StoreError
from nexus.ports.documents import Document, DocumentStore, Put
from nexus.ports.ids import Ids

MOST_KEYS = 100
MOST_KEPT = 1024
REVOKED_KEPT = timedelta(days=30)
_PREFIX = "api-keys/"
_log = logging.getLogger("nexus.access")


@dataclass(frozen=True, slots=True)
class KeyWish:
    """What a new key shall be. ``mode`` ``pub`` has origins in place of scopes."""

    name: str
    mode: Mode = "live"
    scopes: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class KeySecret:
    """One secret of a key: two live while it is rotated."""

    hash: str
    last4: str
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept."""

    key_id: str
    tenant_id: str
    wish: KeyWish
    secrets: tuple[KeySecret, ...]
    created_at: datetime
    created_by: str
    last_used_on: str = ""
    revoked_at: datetime | None = None
    version: int = 0

    def state(self, now: datetime) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.wish.expires_at is not None and self.wish.expires_at <= now else "active"


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its text, which is shown this once."""

    key: ApiKey
    text: str


@dataclass(frozen=True, slots=True)
class KeyVault:
    """What keys and cursors are sealed with. ``entropy`` gives random bytes."""

    pepper: bytes
    cursor_key: bytes
    entropy: Callable[[int], bytes] = randomness.token_bytes


class ApiKeyDesk:
    """Makes and knows API keys.

    Args:
        documents: where keys lie, under their tenant.
        ids: gives key ids.
        clock: wall time.
        vault: what keys are hashed with.
        kept_s: so long a key that was looked up is believed without another look; what this desk changes it knows at once, what other
            processes change (a revocation) so much later. 0: it looks each time.
    """

    def __init__(self, documents: DocumentStore, ids: Ids, clock: Clock, vault: KeyVault, *, kept_s: float = 0.0) -> None:
        self._kept_s = kept_s
        self._kept: dict[tuple[str, str], tuple[datetime, ApiKey]] = {}
        self._documents = documents
        self._ids = ids
        self._clock = clock
        self._vault = vault

    # --- for admins ----------------------------------------------------------------------------------------------------------

    async def create(self, tenant_id: str, wish: KeyWish, *, by: str) -> IssuedKey:
        """Make a key.

        Raises:
            RequestRejected: ``invalid_request``: an unknown scope, no scope, no origin, a past expiry, too many keys.
        """
        now = self._clock.now()
        check_wish(wish, now)
        if len(await self._documents.list(check_tenant_id(tenant_id), _PREFIX, limit=MOST_KEYS)) >= MOST_KEYS:
            raise RequestRejected("invalid_request", f"A tenant has at most {MOST_KEYS} API keys; revoke some.")
        key_id = self._ids.new("key")
        text, secret = self._secret(wish.mode, tenant_id, key_id, now)
        key = ApiKey(key_id, tenant_id, wish, (secret,), created_at=now, created_by=by)
        return IssuedKey(await self._write(key, expected=0), text)

    async def list(self, tenant_id: str, *, limit: int, cursor: str = "") -> Page[ApiKey]:
        """Newest first; revoked ones for 30 days. Raises RequestRejected ``invalid_cursor``."""
        listing = Listing("api-keys", check_tenant_id(tenant_id))
        before = read_cursor(self._vault.cursor_key, listing, cursor)
        found = await self._documents.list(tenant_id, _PREFIX, limit=limit + 1, after=_PREFIX + before if before else "", newest_first=True)
        return page_of(self._vault.cursor_key, listing, [_key_of(tenant_id, one) for one in found], limit, lambda key: key.key_id)

    async def get(self, tenant_id: str, key_id: str) -> ApiKey:
        """One key. Raises NotFound ``api_key_not_found``."""
        found = await self._find(check_tenant_id(tenant_id), key_id)
        if found is None:
            raise NotFound("api_key_not_found", "There is no such API key for this tenant.")
        return found

    async def rotate(self, tenant_id: str, key_id: str, *, overlap_s: int) -> IssuedKey:
        """A fresh secret for the key; the newest one before it stays good for ``overlap_s``, any older one dies now.

        Raises:
            NotFound: ``api_key_not_found``.
            Conflict: ``conflict``: the key is revoked or expired, or somebody changed it at the same time.
        """
        key, now = await self.get(tenant_id, key_id), self._clock.now()
        if key.state(now) != "active":
            raise Conflict("conflict", f"The key is {key.state(now)}; make another.")
        text, fresh = self._secret(key.wish.mode, tenant_id, key_id, now)
        last = replace(key.secrets[-1], expires_at=now + timedelta(seconds=overlap_s))
        return IssuedKey(await self._write(replace(key, secrets=(last, fresh)), expected=key.version), text)

    async def revoke(self, tenant_id: str, key_id: str) -> ApiKey:
        """The key dies at once. Revoking again changes nothing. Raises NotFound ``api_key_not_found``, Conflict ``conflict``."""
        key, now = await self.get(tenant_id, key_id), self._clock.now()
        if key.revoked_at is not None:
            return key
        return await self._write(replace(key, revoked_at=now), expected=key.version, forget_at=now + REVOKED_KEPT)

    # --- for the guard -------------------------------------------------------------------------------------------------------

    async def principal(self, text: str, origin: str = "") -> Principal:
        """Whose key this is.

        Args:
            origin: of the page that shows a publishable key.

        Raises:
            NotAuthorised: ``credential_invalid`` (also for a key that never was), ``credential_revoked``, ``credential_expired``,
                ``origin_not_allowed``.
        """
        claimed = read_key(text)
        with working_for(tenant_id=claimed.tenant_id):
            key = await self._known(claimed.tenant_id, claimed.key_id)
            secret = _matching(key, key_hash(text, self._vault.pepper))
            if key is None or secret is None or key.wish.mode != claimed.mode:
                raise invalid_key()
            self._check_alive(key, secret)
            if key.wish.mode == "pub" and origin not in key.wish.origins:
                raise NotAuthorised("origin_not_allowed", "This publishable key is not for pages of this origin; add it to another key.")
            await self._note_use(key)
        return _principal(key, claimed)

    async def names_origin(self, tenant_id: str, origin: str) -> bool:
        """Whether a living publishable key of the tenant names this origin."""
        now = self._clock.now()
        with working_for(tenant_id=tenant_id):
            found = await self._documents.list(tenant_id, _PREFIX, limit=MOST_KEYS)
        keys = (_key_of(tenant_id, one) for one in found)
        return any(key.wish.mode == "pub" and origin in key.wish.origins and key.state(now) == "active" for key in keys)

    def _check_alive(self, key: ApiKey, secret: KeySecret) -> None:
        now = self._clock.now()
        state = key.state(now)
        if state == "revoked":
            raise NotAuthorised("credential_revoked", "This API key has been revoked; use one that lives.")
        if state == "expired" or (secret.expires_at is not None and secret.expires_at <= now):
            raise NotAuthorised("credential_expired", "This API key or its old secret has expired; use the fresh one.")

    async def _note_use(self, key: ApiKey) -> None:
        """The day of last use, written once a day. Nobody is refused because it cannot be written."""
        today = self._clock.now().date().isoformat()
        if key.last_used_on == today:
            return
        try:
            await self._write(replace(key, last_used_on=today), expected=key.version)
        except StoreError as error:
            _log.info("last use of %s is not noted: %s", key.key_id, error.code)

    # --- the store -----------------------------------------------------------------------------------------------------------

    def _secret(self, mode: Mode, tenant_id: str, key_id: str, now: datetime) -> tuple[str, KeySecret]:
        text = write_key(mode, tenant_id, key_id, self._vault.entropy(SECRET_BYTES))
        return text, KeySecret(key_hash(text, self._vault.pepper), text[-4:], now)

    async def _known(self, tenant_id: str, key_id: str) -> ApiKey | None:
        """The key, perhaps as it was a moment ago. What is not there is looked for each time."""
        at, now = (tenant_id, key_id), self._clock.now()
        kept = self._kept.get(at)
        if kept is not None and now < kept[0] + timedelta(seconds=self._kept_s):
            return kept[1]
        self._kept.pop(at, None)
        key = await self._find(tenant_id, key_id)
        if key is not None and self._kept_s:
            while len(self._kept) >= MOST_KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[at] = now, key
        return key

    async def _find(self, tenant_id: str, key_id: str) -> ApiKey | None:
        found = await self._documents.get(tenant_id, _PREFIX + key_id)
        return None if found is None else _key_of(tenant_id, found)

    async def _write(self, key: ApiKey, *, expected: int, forget_at: datetime | None = None) -> ApiKey:
        change = Put(_PREFIX + key.key_id, _body_of(key), expected=expected, expires_at=forget_at)
        try:
            (version,) = await self._documents.write(key.tenant_id, change)
        finally:
            self._kept.pop((key.tenant_id, key.key_id), None)
        return replace(key, version=version)


def check_wish(wish: KeyWish, now: datetime) -> None:
    """Raises RequestRejected ``invalid_request`` for a key that could do nothing, or what nobody can give."""
    if wish.mode == "pub":
        if not wish.origins or wish.scopes:
            raise RequestRejected("invalid_request", "A publishable key has origins (https://www.example.com) and no scopes.")
    elif not wish.scopes or wish.origins:
        raise RequestRejected("invalid_request", "A secret key has at least one scope and no origins.")
    unknown = sorted(set(wish.scopes) - scopes())
    if unknown:
        raise RequestRejected("invalid_request", f"There is no scope {unknown[0]!r}; there are {', '.join(sorted(scopes()))}.")
    if wish.expires_at is not None and wish.expires_at <= now:
        raise RequestRejected("invalid_request", "expires_at has passed already.")


def _matching(key: ApiKey | None, digest: str) -> KeySecret | None:
    """The secret with this hash. Every secret is compared whole, so that the time tells nothing; for a key that is not there, one too."""
    known = key.secrets if key is not None else (KeySecret("0" * 64, "", datetime.min),)
    found = [secret for secret in known if same_hash(secret.hash, digest)]
    return found[-1] if key is not None and found else None


def _principal(key: ApiKey, claimed: KeyText) -> Principal:
    if claimed.mode == "pub":
        return Principal(Kind.PUBLISHABLE_KEY, key.key_id, key.tenant_id)
    return Principal(Kind.API_KEY, key.key_id, key.tenant_id, scopes=frozenset(key.wish.scopes), test=claimed.mode == "test")


def _body_of(key: ApiKey) -> dict[str, Any]:
    wish = key.wish
    return {
        "name": wish.name,
        "mode": wish.mode,
        "scopes": list(wish.scopes),
        "origins": list(wish.origins),
        "expires_at": _text(wish.expires_at),
        "secrets": [
            {"hash": one.hash, "last4": one.last4, "created_at": _text(one.created_at), "expires_at": _text(one.expires_at)}
            for one in key.secrets
        ],
        "created_at": _text(key.created_at),
        "created_by": key.created_by,
        "last_used_on": key.last_used_on,
        "revoked_at": _text(key.revoked_at),
    }


def _key_of(tenant_id: str, found: Document) -> ApiKey:
    body = found.body
    wish = KeyWish(body["name"], body["mode"], tuple(body["scopes"]), tuple(body["origins"]), _moment(body["expires_at"]))
    return ApiKey(
        key_id=found.key.removeprefix(_PREFIX),
        tenant_id=tenant_id,
        wish=wish,
        secrets=tuple(_secret_of(one) for one in body["secrets"]),
        created_at=datetime.fromisoformat(body["created_at"]),
        created_by=body["created_by"],
        last_used_on=body["last_used_on"],
        revoked_at=_moment(body["revoked_at"]),
        version=found.version,
    )


def _secret_of(body: Mapping[str, Any]) -> KeySecret:
    return KeySecret(body["hash"], body["last4"], datetime.fromisoformat(body["created_at"]), _moment(body["expires_at"]))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
