"""A tenant's HTTPS server on loopback, with a certificate of a test authority, and the rules under which it can be reached."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nexus.adapters.outbound import OutboundRules
from nexus.domain.outbound import is_loopback
from tests.fakes.webhook_receiver import Receiver

HOST = "tools.example.com"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _certificate(subject: str, key: Any, issuer: str, signer: Any, *, authority: bool) -> x509.Certificate:
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=2))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not authority:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False)
    return built.sign(signer, hashes.SHA256())


@cache
def contexts(host: str = HOST) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What the server shows, and what a client must believe to take it."""
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = _certificate("Test Authority", authority, "Test Authority", authority, authority=True)
    shown = _certificate(host, leaf, "Test Authority", authority, authority=False)
    pem = shown.public_bytes(serialization.Encoding.PEM) + leaf.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.write_bytes(pem)
        server.load_cert_chain(file)
    trust = ssl.create_default_context(cadata=root.public_bytes(serialization.Encoding.PEM).decode())
    return server, trust


@dataclass
class TenantServer:
    """A running server: what it got is in ``receiver``; ``rules`` let a client reach it under the name ``HOST``."""

    receiver: Receiver
    rules: OutboundRules

    @property
    def url(self) -> str:
        return f"https://{HOST}"

    def answers(self, body: str, *statuses: int, content_type: str = "application/json") -> None:
        self.receiver.body, self.receiver.statuses = body.encode(), list(statuses)
        self.receiver.extra = f"Content-Type: {content_type}\r\n"


class Resolver:
    """Gives ``answers`` in turn, the last one again and again; counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@asynccontextmanager
async def tenant_server(address: str = "127.0.0.1", **rules: Any) -> AsyncIterator[TenantServer]:
    """Serve HTTPS on a loopback port of its own choosing; 200 with an empty object unless told otherwise."""
    receiver = Receiver(body=b"{}", extra="Content-Type: application/json\r\n")
    receiver.default_status = 200
    shown, trust = contexts()
    server = await asyncio.start_server(receiver.serve, address, 0, ssl=shown)
    port = server.sockets[0].getsockname()[1]
    usual = OutboundRules(allowed=is_loopback, trust=trust, resolve=Resolver([address]), dial_port=port)
    try:
        yield TenantServer(receiver, replace(usual, **rules))
    finally:
        server.close()
