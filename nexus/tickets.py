"""Sign and check the short-lived, single-use ticket that opens a call. Pure: time and ids are arguments.

A ticket is a JWT signed with EdDSA (RFC 8037) or ES256 (RFC 7518), as the key is of Ed25519 or P-256. The control plane holds one private
key, the media plane public keys only, by ``kid``: a new key is first told to the media plane, then signed with, and the old one is taken
away a minute later, when the last of its tickets has died.
That a ticket is used once is the ledger's work: its ``jti`` is the nonce that ``CallLedger.redeem`` burns.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from nexus.errors import ConfigurationError, NotAuthorised

TICKET_LIFETIME_S = 60
_AUDIENCE = "nexus-media"
_ISSUER = "nexus"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a checked ticket says. ``config_version`` is the configuration that the call was ordered with (None: the active one)."""

    call_id: str
    tenant_id: str
    nonce: str
    expires_at: datetime
    config_version: int | None = None


def new_private_key() -> str:
    """A fresh Ed25519 private key, PEM (PKCS #8)."""
    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def public_key_of(private_pem: str) -> str:
    """The public key (PEM) that belongs to a private one."""
    return (
        _private(private_pem)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def key_id(public_pem: str) -> str:
    """The ``kid`` of a public key: 16 hex digits of the hash of its bytes."""
    key = _public(public_pem)
    if isinstance(key, Ed25519PublicKey):
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    else:
        raw = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return hashlib.sha256(raw).hexdigest()[:16]


def sign(ticket: Ticket, private_pem: str, *, issued_at: datetime) -> str:
    """The compact JWT. ``expires_at`` later than a minute after ``issued_at`` is cut to it."""
    expires_at = min(ticket.expires_at, issued_at + timedelta(seconds=TICKET_LIFETIME_S))
    claims = {
        "iss": _ISSUER,
        "aud": _AUDIENCE,
        "sub": ticket.call_id,
        "ten": ticket.tenant_id,
        "jti": ticket.nonce,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        **({} if ticket.config_version is None else {"ver": ticket.config_version}),
    }
    key = _private(private_pem)
    algorithm = "EdDSA" if isinstance(key, Ed25519PrivateKey) else "ES256"
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": key_id(public_key_of(private_pem))})


def check(token: str, public_pems: Mapping[str, str], *, call_id: str, now: datetime) -> Ticket:
    """Give the ticket back when it is ours, alive and for this call.

    Args:
        public_pems: public keys by ``kid``.

    Raises:
        NotAuthorised: ``ticket_missing``, ``ticket_invalid``, ``ticket_expired`` or ``ticket_wrong_call``.
    """
    if not token:
        raise NotAuthorised("ticket_missing", "This socket needs a ticket: POST /v1/tenants/{tenant_id}/calls gives one.")
    try:
        key = _public(public_pems[str(jwt.get_unverified_header(token).get("kid"))])
        claims = jwt.decode(
            token,
            key,
            algorithms=["EdDSA" if isinstance(key, Ed25519PublicKey) else "ES256"],  # the key says it, never the token
            audience=_AUDIENCE,
            issuer=_ISSUER,
            options={"require": ["exp", "iat", "sub", "jti"], "verify_exp": False, "verify_iat": False},
        )
        ticket = Ticket(
            call_id=str(claims["sub"]),
            tenant_id=str(claims["ten"]),
            nonce=str(claims["jti"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), tz=now.tzinfo),
            config_version=int(claims["ver"]) if "ver" in claims else None,
        )
    except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
        raise NotAuthorised("ticket_invalid", "The ticket is not one of ours; ask POST /calls for a fresh one.") from error
    if ticket.expires_at <= now:
        raise NotAuthorised(
            "ticket_expired", f"The ticket is older than {TICKET_LIFETIME_S} s; ask POST /calls again with the same Idempotency-Key."
        )
    if ticket.call_id != call_id:
        raise NotAuthorised("ticket_wrong_call", "The ticket is for another call.")
    return ticket


def _private(pem: str) -> Ed25519PrivateKey | EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("setting_invalid", "The ticket signing key is not a PEM private key.") from error
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)):
        return key
    raise ConfigurationError("setting_invalid", "The ticket signing key must be an Ed25519 or a P-256 key.")


def _public(pem: str) -> Ed25519PublicKey | EllipticCurvePublicKey:
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigurationError("setting_invalid", "A ticket public key is not a PEM public key.") from error
    if isinstance(key, Ed25519PublicKey) or (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)):
        return key
    raise ConfigurationError("setting_invalid", "A ticket public key must be an Ed25519 or a P-256 key.")
