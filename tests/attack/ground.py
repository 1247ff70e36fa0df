"""The ground that is attacked: a control plane that asks for credentials, three tenants, and every kind of credential.

``acme`` is the attacker's own tenant, ``acme2`` the victim (its name begins with the attacker's), ``spare`` is for what destroys.
Everything of the victim carries ``MARKER``: where it turns up in an answer to somebody else, there is a leak.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from fastapi import FastAPI

from control_plane.access.matrix import scopes
from control_plane.access.tokens import TokenRules
from control_plane.api.app import build_app
from control_plane.api.services import ApiServices
from control_plane.services.api_keys import ApiKeyDesk, IssuedKey, KeyVault, KeyWish
from control_plane.services.authentication import Authenticator
from control_plane.services.people import TokenChecker
from nexus.adapters.document_tenants import DocumentTenantStore
from nexus.adapters.identifiers import UlidIds
from nexus.adapters.memory import MemoryTenantStore
from nexus.context import working_for
from nexus.domain.call import Caller, CallOrder
from nexus.domain.lead import LeadObject
from nexus.domain.tenant import TenantConfig
from tests.attack.asking import Headers
from tests.fakes.control_plane import House, finished_call, house, memory_stores, private_of
from tests.fakes.issuer import AUDIENCE, ISSUER, ToldIssuerKeys, claims, rsa_key, token
from tests.fakes.later_clock import LaterClock

OWN, VICTIM, SPARE = "acme", "acme2", "spare"
MARKER = "VICTIM7F3A"
PHONE = "+493055501234"
PAGE = "https://shop.acme.example"
EVIL = "https://evil.example"
_UNLIMITED: dict[str, Any] = {"rate_limit_person": 0, "rate_limit_api_key": 0, "rate_limit_publishable_key": 0}
"""Thousands of requests a minute must meet the guard, not the limit before it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What is shown, and what it is worth.

    Attributes:
        kind: the word in tests/golden/access.json under which operations admit it; empty: nothing admits it.
        tenant_id: whose it is; ``*``: everybody's.
        refusal: for a worthless one: the codes that say so.
    """

    name: str
    headers: Headers
    kind: str = ""
    tenant_id: str = OWN
    scope: str = ""
    refusal: tuple[str, ...] = ("credential_invalid",)


@dataclass
class Ground:
    house: House
    services: ApiServices
    app: FastAPI
    clock: LaterClock
    credentials: tuple[Credential, ...]
    ids: dict[str, dict[str, str]]
    """Ids of real things by tenant and name of the path parameter."""
    secrets: tuple[str, ...]
    """What no log may hold."""

    def credential(self, name: str) -> Credential:
        return next(one for one in self.credentials if one.name == name)

    async def belongings(self) -> str:
        """Everything of the victim that can change, as text."""
        stores = self.house.stores
        documents = await stores.documents.list(VICTIM, "", limit=1000)
        ledger = await stores.ledger.get(VICTIM, self.ids[VICTIM]["call_id"])
        kept = [(one.key, one.body) for one in documents if not one.key.startswith("rate/")]
        talks = sorted(one for one, tenant_id in self.house.conversations.open_ones.items() if tenant_id == VICTIM)
        return repr((kept, ledger, talks))


def bearer(text: str) -> Headers:
    return (("authorization", f"Bearer {text}"),)


async def ground() -> Ground:
    """Build it all. Whatever has been planted before is in it."""
    tenants = MemoryTenantStore(_config(OWN, "Acme"), _config(VICTIM, f"Acme {MARKER}"), _config(SPARE, "Spare"))
    stores = memory_stores()
    kept = DocumentTenantStore(stores.documents, tenants)
    made = house(replace(stores, tenants=kept, folders=tenants), **_UNLIMITED)
    clock = LaterClock()
    vault = KeyVault(b"p" * 32, b"k" * 32)
    desk = ApiKeyDesk(_walled_documents(made), UlidIds(), clock, vault)
    people = TokenChecker(ToldIssuerKeys(), TokenRules(ISSUER, AUDIENCE), clock)
    services = replace(made.plane.services, api_keys=desk, authenticator=Authenticator(desk, people, required=True))
    ids = {tenant: await _furnish(made, desk, tenant, at) for at, tenant in enumerate((OWN, VICTIM, SPARE))}
    good, bad = await _keys(desk, clock)
    shown = (*_people(), *good, *_forged(), *bad)
    secrets = tuple(value for one in shown for name, value in one.headers if name == "authorization" and len(value) > 30)
    return Ground(made, services, build_app(services), clock, shown, ids, tuple(text.split(" ")[-1] for text in secrets))


def _walled_documents(made: House) -> Any:
    return made.plane.services.api_keys._documents


def _config(tenant_id: str, name: str) -> TenantConfig:
    return TenantConfig(tenant_id=tenant_id, name=name, greeting=f"Welcome to {name}", system_prompt=f"You are {name}.")


async def _furnish(made: House, desk: ApiKeyDesk, tenant_id: str, at: int) -> dict[str, str]:
    mark = MARKER if tenant_id == VICTIM else tenant_id
    made.model.lead = LeadObject(customer_name=mark, core_intent=mark, call_outcome="booked", summary=mark)
    record = finished_call(at, tenant_id, metadata={"who": mark})
    more = [finished_call(at + 10 * step, tenant_id, metadata={"who": mark}) for step in range(1, 4)]
    for one in (record, *more):
        await made.stores.archive.put(one, private_of(one))
        await made.plane.after_call.finish(tenant_id, one.id)
    await made.engine_slots(50)
    config = await made.stores.tenants.get(tenant_id)
    order = CallOrder(
        tenant_id=tenant_id, config_hash=config.config_hash, caller=Caller(phone=PHONE), metadata={"who": mark}, idempotency_key=mark
    )
    call = await made.stores.ledger.reserve(
        order, call_id=UlidIds().new("call"), nonce=mark, tenant_limit=50, lease_s=60, now=made.clock.now()
    )
    with working_for(tenant_id=tenant_id):
        key = await desk.create(tenant_id, KeyWish(mark, scopes=("calls:read",)), by=mark)
    opened = await made.conversations.open(config, PHONE)
    return {
        "call_id": call.call_id,
        "session": record.id,
        "lead_id": "lead_" + record.id.removeprefix("call_"),
        "key_id": key.key.key_id,
        "conversation_id": opened.conversation_id,
    }


def _people() -> tuple[Credential, ...]:
    def person(role: str | None, tenant_id: str | None) -> Headers:
        return bearer(token(claims(**{"cognito:groups": [role] if role else [], "custom:tenant_id": tenant_id, "sub": f"p-{role}"})))

    return (
        Credential("a platform admin", person("platform_admin", None), "platform_admin", "*"),
        Credential("its admin", person("tenant_admin", OWN), "tenant_admin"),
        Credential("its viewer", person("tenant_viewer", OWN), "tenant_viewer"),
        Credential("its analyst", person("analyst", OWN), "analyst"),
        Credential("its person without a role", person(None, OWN), "nobody"),
        Credential("an admin of no tenant", person("tenant_admin", None), "nobody", ""),
        Credential("the other tenant's admin", person("tenant_admin", VICTIM), "tenant_admin", VICTIM),
        Credential("a tenant's admin whose tenant is a prefix", person("tenant_admin", "acm"), "tenant_admin", "acm"),
    )


async def _keys(desk: ApiKeyDesk, clock: LaterClock) -> tuple[tuple[Credential, ...], tuple[Credential, ...]]:
    every = tuple(sorted(scopes()))

    async def made(**wish: Any) -> IssuedKey:
        with working_for(tenant_id=OWN):
            return await desk.create(OWN, KeyWish("k", **wish), by="ground")

    full, testing = await made(scopes=every), await made(scopes=every, mode="test")
    page = await made(mode="pub", origins=(PAGE,))
    good = [
        Credential("a key with every scope", bearer(full.text), "api_key", scope="*"),
        Credential("a test key with every scope", bearer(testing.text), "test_key", scope="*"),
        Credential("a page's key on its page", (*bearer(page.text), ("origin", PAGE)), "publishable_key"),
    ]
    for scope in every:
        good.append(Credential(f"a key with only {scope}", bearer((await made(scopes=(scope,))).text), "api_key", scope=scope))
    bad = [
        Credential("a page's key on another page", (*bearer(page.text), ("origin", EVIL)), refusal=("origin_not_allowed",)),
        Credential(
            "a page's key on a lookalike page", (*bearer(page.text), ("origin", PAGE + ".evil.example")), refusal=("origin_not_allowed",)
        ),
        Credential("a page's key without a page", bearer(page.text), refusal=("origin_not_allowed",)),
        *_altered(full, testing, page),
    ]
    expired = await made(scopes=every, expires_at=clock.now() + timedelta(seconds=1))
    clock.advance(timedelta(seconds=2))
    bad.append(Credential("an expired key", bearer(expired.text), refusal=("credential_expired",)))
    revoked, rotated, twice = await made(scopes=every), await made(scopes=every), await made(scopes=every)
    with working_for(tenant_id=OWN):
        await desk.revoke(OWN, revoked.key.key_id)
        await desk.rotate(OWN, rotated.key.key_id, overlap_s=0)
        await desk.rotate(OWN, twice.key.key_id, overlap_s=3600)
        await desk.rotate(OWN, twice.key.key_id, overlap_s=3600)
    bad.append(Credential("a revoked key", bearer(revoked.text), refusal=("credential_revoked",)))
    bad.append(Credential("a rotated key's old secret", bearer(rotated.text), refusal=("credential_expired",)))
    bad.append(Credential("a twice rotated key's first secret", bearer(twice.text)))
    return tuple(good), tuple(bad)


def _altered(full: IssuedKey, testing: IssuedKey, page: IssuedKey) -> list[Credential]:
    text = full.text
    other = text[:-1] + ("A" if text[-1] != "A" else "B")
    return [
        Credential("a key with another last character", bearer(other)),
        Credential("a key with an empty secret", bearer(text[:-43])),
        Credential("a key with a made-up secret", bearer(text[:-43] + "A" * 43)),
        Credential("a key cut off", bearer(text[:-1])),
        Credential("a key said to be the victim's", bearer(text.replace(f"_{OWN}_", f"_{VICTIM}_"))),
        Credential("a key said to be the platform's", bearer(text.replace(f"_{OWN}_", "__platform_"))),
        Credential("a test key said to be live", bearer(testing.text.replace("nx_test_", "nx_live_"))),
        Credential("a page's key said to be secret", bearer(page.text.replace("nx_pub_", "nx_live_"))),
    ]


def _forged() -> tuple[Credential, ...]:
    admin = {"cognito:groups": ["platform_admin"], "custom:tenant_id": None}
    mine = token(claims())
    head, _, mac = mine.split(".")
    raised = base64.urlsafe_b64encode(json.dumps(claims(**admin)).encode()).rstrip(b"=").decode()
    return (
        Credential("nothing", (), refusal=("credential_missing",)),
        Credential("junk", bearer("junk")),
        Credential("an empty bearer", (("authorization", "Bearer "),)),
        Credential("basic authentication", (("authorization", "Basic YWRtaW46YWRtaW4="),)),
        Credential("two credentials", (*bearer(token(claims(**admin))), *bearer("junk"))),
        Credential("a cookie", (("cookie", f"session={mine}; token={mine}"),), refusal=("credential_missing",)),
        Credential("an api key header", (("x-api-key", mine),), refusal=("credential_missing",)),
        Credential("a stranger's signature", bearer(token(claims(**admin), key=rsa_key("other")))),
        Credential("an unknown key id", bearer(token(claims(**admin), key=rsa_key("other"), kid="rsa-7"))),
        Credential("no algorithm", bearer(jwt.encode(claims(**admin), "", algorithm="none", headers={"kid": "rsa-1"}))),
        Credential("the public key as an HMAC secret", bearer(hmac_token(claims(**admin)))),
        Credential("another algorithm of the same key", bearer(token(claims(**admin), alg="PS256"))),
        Credential("a raised role under an old signature", bearer(f"{head}.{raised}.{mac}")),
        Credential("a brought key", bearer(token(claims(**admin), key=rsa_key("other"), jku=f"{EVIL}/keys"))),
        Credential("an expired token", bearer(token(claims(**admin, exp=1_700_000_000))), refusal=("credential_expired",)),
        Credential("a token without an end", bearer(token(claims(**admin, exp=None)))),
        Credential("a token from tomorrow", bearer(token(claims(**admin, nbf=9_999_999_999)))),
        Credential("a token for another service", bearer(token(claims(**admin, aud="client-2")))),
        Credential("a token of another issuer", bearer(token(claims(**admin, iss="https://login.evil.example")))),
        Credential("a token of a tenant with a path for a name", bearer(token(claims(**{"custom:tenant_id": f"../{VICTIM}"})))),
        Credential("a token of the operator's own documents", bearer(token(claims(**{"custom:tenant_id": "_platform"})))),
    )


def hmac_token(told: dict[str, Any]) -> str:
    """HS256 with the issuer's public key as its secret."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "rsa-1"}
    body = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, told))
    mac = base64.urlsafe_b64encode(hmac.new(public_pem(), body, hashlib.sha256).digest()).rstrip(b"=")
    return (body + b"." + mac).decode()


def public_pem() -> bytes:
    return rsa_key("own").public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
