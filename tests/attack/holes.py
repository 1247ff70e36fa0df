"""Planted holes: what a tired engineer could break. Each must be found by the suite."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import jwt
import pytest

from control_plane.access import decision, matrix, principal, tokens
from control_plane.access.matrix import ANALYSTS, MATRIX, READERS, Rule
from control_plane.access.principal import PUBLIC, Kind, Principal
from control_plane.api import app, guard, route_groups
from control_plane.api.routes import calls, sessions
from control_plane.services import api_keys, authentication, cursors, people, tenant_wall
from tests.attack.ground import public_pem

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Hole:
    name: str
    plant: Plant


def _row(name: str, **changes: Any) -> Plant:
    """One row of the matrix says something else."""
    altered = {**MATRIX, name: replace(MATRIX[name], **changes)}
    return _matrix(altered)


def _matrix(altered: Mapping[str, Rule]) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for module in (matrix, guard):
            patch.setattr(module, "MATRIX", altered)

    return plant


def _set(target: Any, name: str, value: Any) -> Plant:
    return lambda patch: patch.setattr(target, name, value)


def _both(*plants: Plant) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for one in plants:
            one(patch)

    return plant


# --- the guard ---------------------------------------------------------------------------------------------------------------


def _unguarded(name: str) -> Plant:
    """The guard does not know the route; the second look on the route is gone too."""
    found = route_groups.operations_of

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(route_groups, "operations_of", lambda router: [route for route in found(router) if route.operation_id != name])

    return plant


async def _no_second_look() -> None:
    return None


def _reaches_prefix(self: Principal, tenant_id: str) -> bool:
    return bool(tenant_id) and (self.is_platform or tenant_id.startswith(self.tenant_id))


def _reaches_all(self: Principal, tenant_id: str) -> bool:
    return bool(tenant_id)


def _only_present(principal: Principal, operation_id: str, tenant_id: str = "", **more: Any) -> None:
    """Who has any credential may do anything of its own."""
    if principal.kind is Kind.PUBLIC:
        raise decision.credential_missing()
    if tenant_id and not principal.reaches(tenant_id):
        raise decision.unknown_tenant()


def _decide(decided: Callable[..., None]) -> Plant:
    gate = guard.Gate
    return _set(app, "Gate", partial(gate, decide=decided))


_holds = decision.holds


def _people_hold_all(who: Principal, rule: Rule) -> bool:
    return who.kind is Kind.PERSON or _holds(who, rule)


def _keys_hold_all(who: Principal, rule: Rule) -> bool:
    return (who.kind is Kind.API_KEY and rule.keys) or _holds(who, rule)


def _test_keys_hold_all(who: Principal, rule: Rule) -> bool:
    return _holds(replace(who, test=False), rule)


def _pages_hold_all(who: Principal, rule: Rule) -> bool:
    return who.kind is Kind.PUBLISHABLE_KEY or _holds(who, rule)


def _ignored(*arguments: Any, **more: Any) -> None:
    """A check that is not made."""


def _not_required(patch: pytest.MonkeyPatch) -> None:
    made = authentication.Authenticator.principal

    async def lenient(self: Any, authorization: str, origin: str = "") -> Principal:
        return principal.LOCAL if not authorization else await made(self, authorization, origin)

    patch.setattr(authentication.Authenticator, "principal", lenient)


async def _echoing_preflight(self: Any, tenant_id: str, origin: str) -> bool:
    return True


def _logs_credentials(patch: pytest.MonkeyPatch) -> None:
    made = authentication.Authenticator.principal

    async def chatty(self: Any, authorization: str, origin: str = "") -> Principal:
        logging.getLogger("nexus.access").info("asked with %s", authorization)
        return await made(self, authorization, origin)

    patch.setattr(authentication.Authenticator, "principal", chatty)


def _forgets_who_failed(patch: pytest.MonkeyPatch) -> None:
    """A credential that cannot be read counts as none, at an address where the first look is only at the matrix."""
    made = guard.Guard._admit

    async def forgiving(self: Any, operation_id: str, tenant_id: str, headers: Any) -> Principal:
        try:
            return await made(self, operation_id, tenant_id, headers)
        except guard.NexusError:
            return PUBLIC

    patch.setattr(guard.Guard, "_admit", forgiving)


# --- people's tokens ---------------------------------------------------------------------------------------------------------

_decode = jwt.decode


def _decoding(**options: Any) -> Plant:
    def decode(token: str, key: Any, **asked: Any) -> Any:
        asked["options"] = {**asked.get("options", {}), **options}
        if options.get("verify_signature") is False:
            asked = {"options": {"verify_signature": False}, "algorithms": ["none", "RS256", "HS256", "PS256", "ES256"]}
        return _decode(token, key, **asked)

    return _set(tokens.jwt, "decode", decode)


def _hmac_taken(patch: pytest.MonkeyPatch) -> None:
    """Algorithm confusion: the token says which algorithm, and the public key is bytes like any secret."""
    made = people.check_token

    def confused(token: str, key: Any, rules: Any, *, now: Any) -> Principal:
        if jwt.get_unverified_header(token)["alg"] != "HS256":
            return made(token, key, rules, now=now)
        signed, _, mac = token.rpartition(".")
        expected = base64.urlsafe_b64encode(hmac.new(public_pem(), signed.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()
        if mac != expected:
            raise tokens.invalid_token()
        body = signed.split(".")[1]
        return tokens._person(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))), rules)

    patch.setattr(people, "check_token", confused)


def _any_algorithm(patch: pytest.MonkeyPatch) -> None:
    def decode(token: str, key: Any, *, algorithms: Any, **asked: Any) -> Any:
        return _decode(token, key, algorithms=["RS256", "RS384", "RS512", "PS256", "PS384", "ES256"], **asked)

    patch.setattr(tokens.jwt, "decode", decode)


def _no_issuer(patch: pytest.MonkeyPatch) -> None:
    def decode(token: str, key: Any, **asked: Any) -> Any:
        asked.pop("issuer")
        return _decode(token, key, **asked)

    patch.setattr(tokens.jwt, "decode", decode)


def _no_end(patch: pytest.MonkeyPatch) -> None:
    times = tokens._check_times

    def lax(claims: Any, now_s: float) -> None:
        times({**claims, "exp": now_s + 60}, now_s)

    patch.setattr(tokens, "_check_times", lax)


# --- API keys ----------------------------------------------------------------------------------------------------------------

_state = api_keys.ApiKey.state


def _never(*words: str) -> Callable[..., str]:
    def state(self: Any, now: Any) -> str:
        told = _state(self, now)
        return "active" if told in words else told

    return state


def _any_secret(key: Any, digest: str) -> Any:
    return key.secrets[-1] if key is not None else None


def _old_secrets_live(patch: pytest.MonkeyPatch) -> None:
    made = api_keys._matching

    def matching(key: Any, digest: str) -> Any:
        found = made(key, digest)
        return replace(found, expires_at=None) if found else None

    patch.setattr(api_keys, "_matching", matching)


def _pages_from_anywhere(patch: pytest.MonkeyPatch) -> None:
    made = api_keys.ApiKeyDesk.principal

    async def blind(self: Any, text: str, origin: str = "") -> Principal:
        return await made(self, text, "https://shop.acme.example")

    patch.setattr(api_keys.ApiKeyDesk, "principal", blind)


def _origin_by_prefix(patch: pytest.MonkeyPatch) -> None:
    made = api_keys.ApiKeyDesk.principal

    async def loose(self: Any, text: str, origin: str = "") -> Principal:
        page = "https://shop.acme.example"
        return await made(self, text, page if origin.startswith(page) else origin)

    patch.setattr(api_keys.ApiKeyDesk, "principal", loose)


def _mode_by_text(patch: pytest.MonkeyPatch) -> None:
    """The key's hash leaves out its first word, and the mode is believed as it is written."""
    hashed, found = api_keys.key_hash, api_keys._key_of

    def hash_of(text: str, pepper: bytes) -> str:
        return hashed(text.split("_", 2)[2], pepper)

    class Believing:
        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 0

    def key_of(tenant_id: str, document: Any) -> Any:
        key = found(tenant_id, document)
        return replace(key, wish=replace(key.wish, mode=cast(Any, Believing()))) if key.wish.mode == "test" else key

    patch.setattr(api_keys, "key_hash", hash_of)
    patch.setattr(api_keys, "_key_of", key_of)


# --- tenants' walls ----------------------------------------------------------------------------------------------------------


def _wall_without_principal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tenant_wall, "asking", lambda: None)


def _unbound_passes(patch: pytest.MonkeyPatch) -> None:
    made = tenant_wall.check_wall

    def check(tenant_id: str) -> None:
        if tenant_wall.current().tenant_id:
            made(tenant_id)

    patch.setattr(tenant_wall, "check_wall", check)


def _cursors_of_anybody(patch: pytest.MonkeyPatch) -> None:
    made = cursors._mac
    patch.setattr(cursors, "_mac", lambda key, listing, last_id: made(key, replace(listing, tenant_id=""), last_id))


HOLES = (
    Hole("a public route that is not", _row("listSessions", reach="public")),
    Hole("a viewer orders calls", _row("createCall", roles=READERS)),
    Hole("an analyst makes keys", _row("createApiKey", roles=ANALYSTS)),
    Hole("a scope renamed to a wider one", _row("listLeads", permission="sessions:read")),
    Hole("a page's key reads sessions", _row("listSessions", publishable=True)),
    Hole("a test key reads leads", _row("listLeads", test_mode=True)),
    Hole("a key makes keys", _row("createApiKey", keys=True)),
    Hole("a tenant's own list becomes everybody's", _set(tenant_wall, "asking", lambda: None)),
    Hole("a route that the guard does not know", _unguarded("getSession")),
    Hole(
        "such a route, without the second look", _both(_unguarded("getSession"), _set(guard.guarded, "__code__", _no_second_look.__code__))
    ),
    Hole("no decision at all", _decide(lambda *arguments, **more: None)),
    Hole("roles and scopes are not looked at", _decide(_only_present)),
    Hole("the tenant is not looked at", _set(principal.Principal, "reaches", _reaches_all)),
    Hole("tenants are compared by their beginnings", _set(principal.Principal, "reaches", _reaches_prefix)),
    Hole("people hold everything", _set(decision, "holds", _people_hold_all)),
    Hole("scopes are not looked at", _set(decision, "holds", _keys_hold_all)),
    Hole("test keys hold what live keys hold", _set(decision, "holds", _test_keys_hold_all)),
    Hole("test keys see real calls", _both(_set(calls, "seen_within_mode", _ignored), _set(sessions, "seen_within_mode", _ignored))),
    Hole("test keys order real calls", _set(calls, "order_within_mode", _ignored)),
    Hole("a page's key holds everything", _set(decision, "holds", _pages_hold_all)),
    Hole("no credential means local", _not_required),
    Hole("a refused credential counts as none", _forgets_who_failed),
    Hole("the signature is not checked", _decoding(verify_signature=False)),
    Hole("an HMAC with the public key", _hmac_taken),
    Hole("more algorithms than the key is for", _any_algorithm),
    Hole("any issuer", _no_issuer),
    Hole("any audience", _set(tokens, "is_for", lambda claims, audience: True)),
    Hole("tokens do not end", _no_end),
    Hole("claims may be missing", _decoding(require=[])),
    Hole("revoked keys live", _set(api_keys.ApiKey, "state", _never("revoked"))),
    Hole("expired keys live", _set(api_keys.ApiKey, "state", _never("expired"))),
    Hole("rotated secrets live", _old_secrets_live),
    Hole("any secret of a known key", _set(api_keys, "_matching", _any_secret)),
    Hole("a page's key from anywhere", _pages_from_anywhere),
    Hole("origins are compared by their beginnings", _origin_by_prefix),
    Hole("a key's mode as it is written", _mode_by_text),
    Hole("every page gets permission", _set(authentication.Authenticator, "page_may_call", _echoing_preflight)),
    Hole("credentials in the log", _logs_credentials),
    Hole("no second wall", _set(tenant_wall, "check_wall", lambda tenant_id: None)),
    Hole("a second wall that does not ask who asks", _wall_without_principal),
    Hole("a second wall that lets unbound work pass", _unbound_passes),
    Hole("cursors of any tenant", _cursors_of_anybody),
    Hole("the body's tenant is believed", _set(guard, "authorise", lambda *arguments, **more: None)),
)
