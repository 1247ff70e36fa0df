"""An OpenID Connect provider on loopback that takes nothing but the code flow with PKCE for one public client, to the letter.

What the console sends is judged by the specifications (RFC 6749, 7636, 9207, OpenID Connect); not a line is shared with it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import uvicorn
from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from tests.fakes.issuer import AUDIENCE, claims, jwk, rsa_key, token


@dataclass
class Provider:
    """What it is told to do, and what it has seen.

    Attributes:
        console: the client's registered address, for answers and for sign-outs.
        person: claims of whoever signs in; None takes one away.
        refuses: an error to answer with in place of a code, and its description.
        answers: laid over the answer of its page; None takes a parameter away.
        describes: laid over its description.
        says: laid over the claims of the next tokens.
        late: its codes have expired when they come.
        gives_refresh: whether it gives refresh tokens.
        life_s: of its tokens.
        remembered: whether it knows this browser.
        asked, faults, referrers: paths of all requests; what was wrong with them; what they told of the pages before.
    """

    port: int = 0
    console: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    refuses: tuple[str, str] | None = None
    answers: dict[str, str | None] = field(default_factory=dict)
    describes: dict[str, Any] = field(default_factory=dict)
    says: dict[str, Any] = field(default_factory=dict)
    late: bool = False
    gives_refresh: bool = True
    life_s: int = 3600
    remembered: bool = False
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    referrers: list[str] = field(default_factory=list)
    _codes: dict[str, dict[str, str]] = field(default_factory=dict)
    _refresh: str = ""

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """As new, for another test."""
        fresh = Provider(self.port, self.console)
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(fresh, name))

    def describe(self) -> dict[str, Any]:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?pool=1",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/logout",
            "jwks_uri": f"{self.issuer}/keys",
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {**told, **self.describes}

    def wrong_with(self, asked: dict[str, str]) -> str:
        """What is wrong with a request to sign somebody in; empty: nothing."""
        wanted = {
            "pool": "1",
            "response_type": "code",
            "client_id": AUDIENCE,
            "redirect_uri": self.console,
            "scope": "openid",
            "code_challenge_method": "S256",
        }
        odd = [name for name, value in wanted.items() if asked.get(name) != value]
        short = [name for name in ("state", "nonce", "code_challenge") if len(asked.get(name, "")) != 43]
        more = set(asked) - {*wanted, "state", "nonce", "code_challenge"}
        return ", ".join((*odd, *short, *more))

    def back(self, asked: dict[str, str]) -> str:
        """Where somebody who has signed in, or was refused, is sent."""
        answer: dict[str, str | None] = {"state": asked["state"], "iss": self.issuer}
        if self.refuses:
            answer |= {"error": self.refuses[0], "error_description": self.refuses[1]}
        else:
            code = secrets.token_urlsafe(16)
            self._codes[code] = asked
            answer["code"] = code
        self.remembered = self.refuses is None
        return f"{self.console}?{urlencode({name: value for name, value in {**answer, **self.answers}.items() if value is not None})}"

    def redeem(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """Tokens for a code, once, for whoever knows what its challenge was made of."""
        begun = self._codes.pop(asked.get("code", ""), None)
        if begun is None or self.late or set(asked) != {"grant_type", "code", "redirect_uri", "client_id", "code_verifier"}:
            return None
        made = base64.urlsafe_b64encode(hashlib.sha256(asked["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        fits = made == begun["code_challenge"] and asked["client_id"] == AUDIENCE and asked["redirect_uri"] == begun["redirect_uri"]
        return self._tokens(nonce=begun["nonce"]) if fits and 43 <= len(asked["code_verifier"]) <= 128 else None

    def renew(self, asked: dict[str, str]) -> dict[str, Any] | None:
        """Fresh tokens for the newest refresh token."""
        known = bool(self._refresh) and asked == {"grant_type": "refresh_token", "refresh_token": self._refresh, "client_id": AUDIENCE}
        return self._tokens() if known else None

    def _tokens(self, **more: str) -> dict[str, Any]:
        now = int(time.time())
        told = claims(
            **{"iss": self.issuer, "iat": now, "exp": now + self.life_s, "jti": secrets.token_hex(4), **more, **self.person, **self.says}
        )
        self._refresh = secrets.token_urlsafe(16) if self.gives_refresh else ""
        given = {"id_token": token(told), "access_token": "opaque", "token_type": "Bearer", "expires_in": self.life_s}
        return {**given, **({"refresh_token": self._refresh} if self._refresh else {})}


@contextmanager
def oidc_provider() -> Iterator[Provider]:
    """Serve one until the block is left; its client's address is still to be told."""
    listener = socket.create_server(("127.0.0.1", 0))
    told = Provider(listener.getsockname()[1])
    server = uvicorn.Server(uvicorn.Config(_app(told), log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.should_exit = True
        thread.join(5)


def _app(of: Provider) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def noted(request: Request, call_next: Any) -> Any:
        of.asked.append(request.url.path)
        referrer = request.headers.get("referer", of.issuer)
        of.referrers += [] if referrer.startswith(of.issuer) else [referrer]
        return await call_next(request)

    @app.get("/.well-known/openid-configuration")
    async def description() -> Response:
        return JSONResponse(of.describe(), headers={"Access-Control-Allow-Origin": "*"})

    @app.get("/favicon.ico", status_code=204)
    async def icon() -> None:
        """Browsers ask for one."""

    @app.get("/keys")
    async def keys() -> Response:
        return JSONResponse({"keys": [jwk("rsa-1", rsa_key("own"))]})

    _add_page(app, of)
    _add_tokens(app, of)
    return app


def _add_page(app: FastAPI, of: Provider) -> None:
    @app.get("/authorize")
    async def page(request: Request) -> Response:
        asked = dict(request.query_params)
        if wrong := of.wrong_with(asked):
            of.faults.append(wrong)
            return HTMLResponse(f"<h1>Refused: {wrong}</h1>", 400)
        if of.remembered:
            return RedirectResponse(of.back(asked), 302)
        return HTMLResponse(f'<h1>The issuer</h1><a id="enter" href="/enter?{urlencode(asked)}">Enter</a>')

    @app.get("/enter")
    async def enter(request: Request) -> Response:
        return RedirectResponse(of.back(dict(request.query_params)), 302)

    @app.get("/logout")
    async def logout(client_id: str, post_logout_redirect_uri: str, logout_uri: str) -> Response:
        of.remembered = False
        known = client_id == AUDIENCE and post_logout_redirect_uri == logout_uri == of.console
        return RedirectResponse(of.console, 302) if known else HTMLResponse("<h1>Refused</h1>", 400)


def _add_tokens(app: FastAPI, of: Provider) -> None:
    @app.post("/token")
    async def tokens(request: Request) -> Response:
        own = urlsplit(of.console)
        allowed = {"Access-Control-Allow-Origin": f"{own.scheme}://{own.netloc}", "Cache-Control": "no-store"}
        asked = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if "authorization" in request.headers or "cookie" in request.headers or "client_secret" in asked:
            return JSONResponse({"error": "invalid_request"}, 400, allowed)
        given = (of.renew if asked.get("grant_type") == "refresh_token" else of.redeem)(asked)
        return JSONResponse(given or {"error": "invalid_grant"}, 200 if given else 400, allowed)
