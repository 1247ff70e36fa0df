"""An issuer of people's tokens: it has keys, signs what it is told to sign, and serves its key set on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from nexus.errors import Unavailable

ISSUER = "https://login.example.com/pool"
AUDIENCE = "client-1"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key a name, made once in a test run: making one takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk(kid: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, **more: str) -> dict[str, Any]:
    """The public key as a JWK."""
    public = key.public_key()
    told = RSAAlgorithm.to_jwk(public, as_dict=True) if isinstance(public, rsa.RSAPublicKey) else ECAlgorithm.to_jwk(public, as_dict=True)
    return {**told, "kid": kid, "use": "sig", **more}


def claims(**changes: Any) -> dict[str, Any]:
    """A tenant admin's claims, as Cognito writes them in an id token; None takes one away."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "person-1",
        "iat": now,
        "exp": now + 3600,
        "token_use": "id",
        "cognito:groups": ["tenant_admin"],
        "custom:tenant_id": "barber_shop",
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def token(told: Mapping[str, Any], *, kid: str = "rsa-1", key: Any = None, alg: str = "RS256", **headers: Any) -> str:
    """Sign; by default with the issuer's own key."""
    return jwt.encode(dict(told), key or rsa_key("own"), algorithm=alg, headers={"kid": kid, **headers})


@dataclass
class ToldIssuerKeys:
    """An ``IssuerKeySource``: ``keys``, or nothing while ``down``."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk("rsa-1", rsa_key("own")), jwk("ec-1", ec_key("own"))])
    down: bool = False
    fetched: int = 0

    async def fetch(self) -> Mapping[str, Any]:
        self.fetched += 1
        if self.down:
            raise Unavailable("issuer_unreachable", "no answer")
        return {"keys": self.keys}


@dataclass
class IssuerServer:
    """The issuer on loopback: its description and its key set; ``answers`` replaces or adds paths."""

    port: int = 0
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, path: str, body: Any, status: int = 200) -> None:
        self.answers[path] = (status, body if isinstance(body, bytes) else json.dumps(body).encode())

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        self.asked.append(path)
        status, body = self.answers.get(path, (404, b"{}"))
        moved = b"Location: /elsewhere\r\n" if status == 302 else b""
        writer.write(b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, moved, len(body)) + body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def issuer_server() -> AsyncIterator[IssuerServer]:
    """Serve a description that names ``/keys``, and the issuer's own keys there."""
    told = IssuerServer()
    server = await asyncio.start_server(told.handle, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    told.serve("/.well-known/openid-configuration", {"issuer": told.issuer, "jwks_uri": f"{told.issuer}/keys"})
    told.serve("/keys", {"keys": [jwk("rsa-1", rsa_key("own")), jwk("ec-1", ec_key("own"))]})
    async with server:
        yield told
