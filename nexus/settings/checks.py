"""What one setting may say; each raises ValueError with the words for whoever wrote it.

They go to the terminal and to logs, so no address is repeated in them: it may hold a password or a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from nexus.settings.choices import LOOPBACK

_RETIRED_GEMINI = re.compile(r"(models/)?gemini-((1|2)(\.\d+)?-.*|3\.[57]-flash|pro|pro-vision)")
_PLACEHOLDER_KEY = re.compile(r"your_.*_here|changeme|<.*>", re.IGNORECASE)
CURRENT_GEMINI = "gemini-3.8-flash"
TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SCOPE = re.compile(r"[!#-\[\]-~]+")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(r"(?:[0-9a-fA-F]{2}){32,}")


def current_model(value: str) -> str:
    return CURRENT_GEMINI if _RETIRED_GEMINI.fullmatch(value) else value


def no_placeholder(value: SecretStr) -> SecretStr:
    """The original's example file held ``your_actual_key_here``: as good as no key."""
    return SecretStr("") if _PLACEHOLDER_KEY.fullmatch(value.get_secret_value().strip()) else value


def upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def origins(value: str) -> str:
    for place, origin in enumerate(filter(None, (part.strip() for part in value.split(","))), start=1):
        if not re.fullmatch(r"https?://[^/\s]+", origin):
            raise ValueError(f"entry {place} is no origin; write for example https://www.example.com")
    return value


def collector(value: str) -> str:
    if value and not (re.fullmatch(r"https?://[^/\s?#]+[^\s?#]*", value) and _has_port(value)):
        raise ValueError("is no base URL, without a query; write for example http://localhost:4318")
    return value


def headers(value: SecretStr) -> SecretStr:
    """As ``OTEL_EXPORTER_OTLP_HEADERS`` writes them."""
    for place, part in enumerate(filter(None, (part.strip() for part in value.get_secret_value().split(","))), start=1):
        name, equals, text = part.partition("=")
        said = unquote(text.strip())
        if not (equals and _HEADER.fullmatch(name.strip()) and text.isascii() and said.isascii() and said.isprintable()):
            raise ValueError(
                f"header {place} is not name=value in ASCII; write for example api-key=...,x-team=voice, values percent-encoded"
            )
    return value


def hex_secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value() and _SECRET.fullmatch(value.get_secret_value().strip()) is None:
        raise ValueError("must be 64 or more hex digits; make one with: openssl rand -hex 32")
    return value


def weights(value: str) -> str:
    for part in filter(None, (part.strip() for part in value.split(","))):
        if not re.fullmatch(r"[a-z0-9_-]+=[1-9][0-9]{0,3}", part):
            raise ValueError(f"{part!r} is no weight; write for example hotel=3,shop=2 (whole numbers from 1 to 9999)")
    return value


def only(fixed: int) -> Callable[[int], int]:
    """A setting of the original that has one value here."""

    def check(value: int) -> int:
        if value != fixed:
            raise ValueError(f"the media plane works with {fixed}; remove the line")
        return value

    return check


def _has_port(url: str) -> bool:
    """Whether its port, where it names one, is a port."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def parts_of(url: str) -> SplitResult:
    """Its parts; none of them, where it is no URL: what Python says of that repeats it."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", "", "", "")


def issuer_url(url: str) -> None:
    """Signing keys are fetched over https, or from this machine. Raises ValueError."""
    parts = parts_of(url)
    if url and (parts.scheme != "https" or not parts.hostname) and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ValueError(
            "OIDC_ISSUER, OIDC_JWKS_URL: there is one that is no https URL; whoever can change it on the way could sign in as anybody"
        )


def sign_in(issuer: str, scopes: Sequence[str], token_origin: str) -> None:
    """Raises ValueError."""
    if scopes and (not issuer or "openid" not in scopes or not all(map(_SCOPE.fullmatch, scopes))):
        raise ValueError("OIDC_SCOPES: needs OIDC_ISSUER, and openid among its words: without it an issuer gives no ID token")
    for origin in filter(None, (origin_of(issuer) if scopes else "", token_origin)):
        if _ORIGIN.fullmatch(origin) is None:  # it becomes a part of a header
            raise ValueError(
                "OIDC_ISSUER, OIDC_TOKEN_ORIGIN: there is one that is no origin; write https:// and a host, the latter without a path"
            )
    issuer_url(token_origin)


def origin_of(url: str) -> str:
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc}"


def are_processes(urls: tuple[str, ...], spares: int) -> bool:
    try:
        processes(urls, spares)
    except ValueError:
        return False
    return True


def processes(urls: tuple[str, ...], spares: int) -> None:
    """Each process once, by a URL of its own contract. Raises ValueError."""
    for place, url in enumerate(urls, start=1):
        parts = parts_of(url)
        if parts.path == "/v1/audio-stream":
            raise ValueError(f"PERSONAPLEX_WS_URL: address {place} is the original's contract: ENGINE=pcm_sidecar and PCM_SIDECAR_WS_URL")
        if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.path != "/api/chat" or parts.query:
            raise ValueError(
                f"PERSONAPLEX_WS_URL: address {place} is none of a PersonaPlex server; write for example ws://127.0.0.1:8998/api/chat"
            )
    if len(set(urls)) < len(urls):
        raise ValueError("PERSONAPLEX_WS_URL: an address stands there twice; a process carries one session, name each once")
    if len(urls) > 1 and spares >= len(urls):
        raise ValueError(f"PERSONAPLEX_SPARES: {spares} of {len(urls)} processes kept free leave none for calls; lower it or name more")
