"""People's tokens: JWTs of an OpenID Connect issuer, checked with its public keys. Pure: keys and time are arguments.

Which algorithm a key is for is decided by the key, never by the token: RSA keys check RS256, P-256 keys check ES256, and nothing else is
ever tried. So neither ``none`` nor an HMAC made with a public key as its secret can pass.

**Source:** RFC 8725 (JWT best current practices) sections 3.1, 3.2, 3.8 and 3.9; RFC 7517 (JWK); Amazon Cognito's token claims.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from control_plane.access.principal import Kind, Principal, Role
from nexus.domain.ids import check_tenant_id
from nexus.errors import NotAuthorised, RequestRejected

LEEWAY_S = 30
SMALLEST_RSA_BITS = 2048
MOST_KEYS = 50
_REQUIRED = ("iss", "sub", "exp", "iat")


@dataclass(frozen=True, slots=True)
class TokenRules:
    """Whose tokens are taken, and where they say who somebody is."""

    issuer: str
    audience: str
    tenant_claim: str = "custom:tenant_id"
    roles_claim: str = "cognito:groups"


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A public key and the one algorithm that it is for."""

    key: RSAPublicKey | EllipticCurvePublicKey
    algorithm: str


def read_keys(jwks: Mapping[str, Any]) -> dict[str, IssuerKey]:
    """The usable signing keys of a JWK set by ``kid``; keys that are not for us are left out."""
    listed = jwks.get("keys")
    found: dict[str, IssuerKey] = {}
    for jwk in listed[:MOST_KEYS] if isinstance(listed, list) else ():
        key = _read_key(jwk) if isinstance(jwk, dict) else None
        if key is not None and isinstance(jwk.get("kid"), str):
            found[jwk["kid"]] = key
    return found


def kid_of(token: str) -> str:
    """The ``kid`` that a token names. Raises NotAuthorised ``credential_invalid``."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise invalid_token() from error
    if not isinstance(kid, str) or not kid:
        raise invalid_token()
    return kid


def check_token(token: str, key: IssuerKey, rules: TokenRules, *, now: datetime) -> Principal:
    """Give the person back when the token is the issuer's, for us, and alive.

    Raises:
        NotAuthorised: ``credential_invalid``, ``credential_expired``.
    """
    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=rules.issuer,
            options={"require": list(_REQUIRED), "verify_aud": False, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise invalid_token() from error
    _check_times(claims, now.timestamp())
    if not is_for(claims, rules.audience):
        raise invalid_token()
    return _person(claims, rules)


def is_for(claims: Mapping[str, Any], audience: str) -> bool:
    """Whether the token was made for this audience. Cognito's access tokens name the client in ``client_id`` in place of ``aud``."""
    named = claims.get("aud")
    if named is None and claims.get("token_use") == "access":
        named = claims.get("client_id")
    return audience in (named if isinstance(named, list) else [named])


def invalid_token() -> NotAuthorised:
    """What every token that is not taken is answered with, whatever is wrong with it."""
    return NotAuthorised("credential_invalid", "This token is not one that is taken here; sign in again.")


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    try:
        expires, issued, begins = (float(claims.get(name, 0)) for name in ("exp", "iat", "nbf"))
    except (TypeError, ValueError) as error:
        raise invalid_token() from error
    if not isfinite(expires + issued + begins) or max(issued, begins) > now_s + LEEWAY_S:
        raise invalid_token()
    if expires <= now_s - LEEWAY_S:
        raise NotAuthorised("credential_expired", "This token has expired; sign in again.")


def _person(claims: Mapping[str, Any], rules: TokenRules) -> Principal:
    named = claims.get(rules.roles_claim) or ()
    words = named.replace(",", " ").split() if isinstance(named, str) else named
    roles = frozenset(Role(word) for word in _strings(words) if word in set(Role))
    tenant_id = claims.get(rules.tenant_claim) or ""
    try:
        if tenant_id:
            check_tenant_id(tenant_id)
    except (RequestRejected, TypeError) as error:
        raise invalid_token() from error
    return Principal(Kind.PERSON, id=str(claims["sub"]), tenant_id=tenant_id, roles=roles)


def _strings(words: object) -> Iterable[str]:
    return (word for word in words if isinstance(word, str)) if isinstance(words, list | tuple) else ()


def _read_key(jwk: Mapping[str, Any]) -> IssuerKey | None:
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        match jwk.get("kty"), jwk.get("alg"):
            case "RSA", None | "RS256":
                return _rsa(jwk)
            case "EC", None | "ES256":
                return _p256(jwk)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return None


def _rsa(jwk: Mapping[str, Any]) -> IssuerKey | None:
    key = RSAAlgorithm.from_jwk(dict(jwk))
    return IssuerKey(key, "RS256") if isinstance(key, RSAPublicKey) and key.key_size >= SMALLEST_RSA_BITS else None


def _p256(jwk: Mapping[str, Any]) -> IssuerKey | None:
    key = ECAlgorithm.from_jwk(dict(jwk))
    return IssuerKey(key, "ES256") if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) else None
