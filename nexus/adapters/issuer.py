"""The signing keys of an OpenID Connect issuer, fetched over HTTPS.

**Source:** OpenID Connect Discovery 1.0 section 4 (the configuration document names ``jwks_uri``).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from nexus.errors import Unavailable
from nexus.settings.choices import LOOPBACK

DEADLINE_S = 5.0
MOST_BYTES = 256_000


class HttpIssuerKeys:
    """Fetches the key set. Redirects are not followed, long answers are cut off.

    Args:
        issuer: the issuer's URL.
        jwks_url: where the keys are; empty: asked of the issuer.
    """

    def __init__(self, issuer: str, jwks_url: str = "") -> None:
        self._issuer = issuer.rstrip("/")
        self._jwks_url = jwks_url

    async def fetch(self) -> Mapping[str, Any]:
        """The JWK set. Raises Unavailable ``issuer_unreachable``."""
        try:
            async with asyncio.timeout(DEADLINE_S), httpx2.AsyncClient(timeout=DEADLINE_S, follow_redirects=False) as http:
                return await _json(http, self._jwks_url or await self._discovered(http))
        except TimeoutError as error:
            raise _unreachable(f"no answer within {DEADLINE_S:.0f} s") from error

    async def _discovered(self, http: httpx2.AsyncClient) -> str:
        described = await _json(http, f"{self._issuer}/.well-known/openid-configuration")
        url = described.get("jwks_uri")
        if described.get("issuer", "").rstrip("/") != self._issuer or not isinstance(url, str) or not _is_safe(url):
            raise _unreachable(f"{self._issuer} describes another issuer, or names no https jwks_uri")
        return url


async def _json(http: httpx2.AsyncClient, url: str) -> Mapping[str, Any]:
    try:
        async with http.stream("GET", url, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise _unreachable(f"{url} answers {answer.status_code}")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MOST_BYTES:
                    raise _unreachable(f"{url} answers more than {MOST_BYTES} bytes")
        told = json.loads(body)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise _unreachable(f"{url} cannot be read") from error
    if not isinstance(told, dict):
        raise _unreachable(f"{url} answers no JSON object")
    return told


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def _unreachable(what: str) -> Unavailable:
    return Unavailable("issuer_unreachable", f"The issuer's signing keys cannot be fetched: {what}.")
