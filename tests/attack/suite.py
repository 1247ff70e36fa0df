"""The attacks. ``attack`` gives how many requests were made and every hole found; ``tests/attack/holes.py`` proves that it finds them."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from control_plane.access.principal import Kind, Principal, asked_by
from control_plane.api.app import operations
from nexus.context import working_for
from nexus.errors import NexusError
from nexus.ports.sessions import SessionFilter
from tests.attack import golden
from tests.attack.asking import Answer, Headers, ask
from tests.attack.ground import EVIL, MARKER, OWN, PAGE, PHONE, SPARE, VICTIM, Credential, Ground

REFUSALS = frozenset(
    {"credential_missing", "credential_invalid", "credential_expired", "credential_revoked", "forbidden", "origin_not_allowed"}
)


@dataclass(frozen=True, slots=True)
class Operation:
    name: str
    method: str
    path: str
    has_body: bool

    @property
    def of_a_tenant(self) -> bool:
        return "{tenant_id}" in self.path

    def target(self, tenant_id: str, ids: dict[str, str]) -> str:
        """The path with real ids, ``x`` for what is not known."""
        path = self.path.replace("{tenant_id}", tenant_id)
        if "/sessions" in path:
            path = path.replace("{call_id}", ids["session"])
        for name, value in ids.items():
            path = path.replace("{" + name + "}", value)
        while "{" in path:
            path = path[: path.index("{")] + "x" + path[path.index("}") + 1 :]
        return path


def every_operation() -> tuple[Operation, ...]:
    """What the application answers, by its own routes."""
    return tuple(
        Operation(route.operation_id or route.name, method, route.path, route.body_field is not None)
        for route in operations()
        for method in sorted(route.methods or ())
    )


@dataclass
class Report:
    """What came of it: how many requests and calls were made, and the holes, in words. ``stops``: the first hole is enough."""

    stops: bool = False
    cases: int = 0
    holes: list[str] = field(default_factory=list)

    async def ask(self, ground: Ground, method: str, target: str, headers: Headers = (), body: Any = None) -> Answer:
        self.cases += 1
        return await ask(ground.app, method, target, headers, body)

    def expect(self, fine: bool, what: str) -> None:
        if not fine:
            self.holes.append(what)
            if self.stops:
                raise EnoughError


class EnoughError(Exception):
    """A hole has been found."""


class _Listening(logging.Handler):
    """Hears every log line as it was meant, before the log's form hides secrets and numbers."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _listening() -> Iterator[_Listening]:
    root, ear = logging.getLogger("nexus"), _Listening()
    level = root.level
    root.addHandler(ear)
    root.setLevel(logging.DEBUG)
    try:
        yield ear
    finally:
        root.removeHandler(ear)
        root.setLevel(level)


async def attack(ground: Ground, names: frozenset[str] | None = None, *, stops: bool = False) -> Report:
    """Every attack on every operation (or on those named)."""
    report = Report(stops)
    with suppress(EnoughError):
        await _attack(ground, names, report)
    return report


async def _attack(ground: Ground, names: frozenset[str] | None, report: Report) -> None:
    chosen = tuple(one for one in every_operation() if names is None or one.name in names)
    with _listening() as ear:
        before = await ground.belongings()
        for each in (admissions, swaps, places, strange_paths, browsers, test_mode, mass_assignment, cursors):
            await each(ground, chosen, report)
        report.expect(await ground.belongings() == before, "the victim's belongings have changed")
        for line in ear.lines:
            report.expect("second wall held" not in line, f"only the second wall held: {line[:200]}")
            for secret in ground.secrets:
                report.expect(secret not in line and secret[-20:] not in line, f"a log line shows a credential: {line[:120]}")
            report.expect(PHONE not in line and PHONE[1:] not in line, f"a log line shows a number: {line[:120]}")
    await second_wall(ground, report)


def leaks(answer: Answer) -> bool:
    return MARKER in answer.text


# --- every route under every credential --------------------------------------------------------------------------------------


async def admissions(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    written = golden.entries()
    for one in chosen:
        entry = written.get(one.name)
        if entry is None:
            report.expect(False, f"{one.name} stands in no row of {golden.FILE.name}; run python -m tests.attack.golden")
            continue
        for shown in ground.credentials:
            both = (OWN,) if shown.tenant_id == VICTIM else (OWN, VICTIM)  # the victim may change its own things
            for tenant_id in both if one.of_a_tenant else ("",):
                await _admission(ground, one, entry, shown, tenant_id, report)


async def _admission(ground: Ground, one: Operation, entry: golden.Entry, shown: Credential, tenant_id: str, report: Report) -> None:
    is_platform = shown.tenant_id == "*"
    aimed = SPARE if is_platform and tenant_id == VICTIM else tenant_id  # what the platform may destroy, it destroys there
    answer = await report.ask(ground, one.method, one.target(aimed, ground.ids.get(aimed, ground.ids[OWN])), shown.headers, _body(one))
    what = f"{one.method} {one.path} for {aimed or 'nobody'} with {shown.name}: {answer.status} {answer.code}"
    report.expect(not leaks(answer) or shown.tenant_id in (VICTIM, "*"), f"leak: {what}")
    report.expect(answer.status != 500, f"broke: {what}")
    if entry.is_public:
        report.expect(answer.code not in REFUSALS, f"public, but refused: {what}")
    elif not shown.kind:
        report.expect(answer.code in shown.refusal and answer.status in (401, 403), f"not refused as worthless: {what}")
        report.expect(answer.status != 401 or answer.headers.get("www-authenticate", "").startswith("Bearer"), f"401 unexplained: {what}")
    elif one.of_a_tenant and not is_platform and shown.tenant_id != tenant_id:
        report.expect((answer.status, answer.code) == (404, "tenant_not_found"), f"not refused as foreign: {what}")
    elif entry.admits_within_reach(shown) and (shown.tenant_id or not one.of_a_tenant):
        told = REFUSALS | {"tenant_not_found"}
        report.expect(answer.code not in told or (one.name == "createCall" and shown.kind == "test_key"), f"not admitted: {what}")
    else:
        report.expect((answer.status, answer.code) == (403, "forbidden"), f"not refused as lesser: {what}")


_BODIES = {"sayInCall": {"text": "hello"}, "injectIntoCall": {"text": "hello"}}


def _body(one: Operation) -> Any:
    return _BODIES.get(one.name, {}) if one.has_body else None


# --- ids of others in every place --------------------------------------------------------------------------------------------


def _attackers(ground: Ground) -> tuple[Credential, ...]:
    return tuple(ground.credential(name) for name in ("its admin", "a key with every scope", "a test key with every scope"))


async def swaps(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """The victim's ids under the attacker's tenant, and the attacker's ids under the victim's."""
    for one in chosen:
        for shown in _attackers(ground):
            for tenant_id, ids in ((OWN, ground.ids[VICTIM]), (VICTIM, ground.ids[OWN]), (VICTIM, ground.ids[VICTIM])):
                if not one.of_a_tenant or (ids is ground.ids[OWN] and "{" not in one.path.replace("{tenant_id}", "")):
                    continue
                answer = await report.ask(ground, one.method, one.target(tenant_id, ids), shown.headers, _body(one))
                report.expect(not leaks(answer), f"leak: {one.name} with swapped ids and {shown.name}: {answer.status}")
    for shown in (*_attackers(ground), ground.credential("a key with only conversations:write")):
        answer = await report.ask(ground, "POST", "/init-session", shown.headers, {"tenant_id": VICTIM})
        refused = answer.code in ("tenant_not_found", "forbidden")
        report.expect(refused and not leaks(answer), f"the body's tenant is taken with {shown.name}: {answer.status} {answer.code}")


async def places(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """The victim named in a query or a header: nothing may believe it."""
    believed: tuple[Headers, ...] = (
        (("x-tenant-id", VICTIM),),
        (("x-nexus-tenant", VICTIM), ("x-forwarded-user", "admin"), ("x-amzn-oidc-identity", "admin"), ("x-principal", "local")),
        (
            ("x-original-url", f"/v1/tenants/{VICTIM}"),
            ("x-rewrite-url", f"/v1/tenants/{VICTIM}"),
            ("x-forwarded-prefix", f"/v1/tenants/{VICTIM}"),
        ),
        (("x-http-method-override", "DELETE"), ("x-forwarded-host", "localhost"), ("x-forwarded-for", "127.0.0.1")),
    )
    nobody = ground.credential("nothing")
    written = golden.entries()
    for one in chosen:
        target = one.target(OWN, ground.ids[OWN])
        for shown in (_attackers(ground)[0], nobody):
            for more in believed:
                answer = await report.ask(ground, one.method, target, (*shown.headers, *more), _body(one))
                report.expect(not leaks(answer), f"leak: {one.name} believes {more[0][0]}")
                public = one.name in written and written[one.name].is_public
                report.expect(shown is not nobody or public or answer.status == 401, f"{one.name} lets {more[0][0]} in: {answer.status}")
            answer = await report.ask(ground, one.method, f"{target}?tenant_id={VICTIM}&tenant={VICTIM}", shown.headers, _body(one))
            report.expect(not leaks(answer), f"leak: {one.name} believes the query")


async def strange_paths(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """Addresses that one reader could take for another's."""
    tails = ("", "/sessions", "/leads", "/calls", "/api-keys")
    heads = (
        "/v1/tenants/acme/../acme2",
        "/v1/tenants/acme/%2e%2e/acme2",
        "/v1/tenants/acme%2f..%2facme2",
        "//v1/tenants/acme2",
        "/v1//tenants/acme2",
        "/v1/tenants//acme2",
        "/V1/tenants/acme2",
        "/v1/tenants/ACME2",
        "/v1/tenants/acme%32",
        "/v1/tenants/acme2%00",
        "/v1/tenants/acme2%20",
        "/v1/tenants/%61cme2",
        "/v1/tenants/acme;acme2",
        "/v1/tenants/acme,acme2",
        "/v1/tenants/acme%0a2",
        "/v1/tenants/acm",
        "/v1/tenants/acme_",
        "/v1/tenants/*",
        "/v1/tenants/_platform",
        "/v1/tenants/%5fplatform",
        "/./v1/tenants/acme2",
        "/v1/./tenants/acme2",
    )
    for head in heads:
        for tail in tails:
            for shown in _attackers(ground)[:2]:
                for method in ("GET", "HEAD", "PUT", "PATCH"):
                    answer = await report.ask(ground, method, head + tail, shown.headers)
                    report.expect(not leaks(answer) and answer.status >= 300, f"{method} {head}{tail} with {shown.name}: {answer.status}")
    for one in chosen:
        for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE"):
            answer = await report.ask(ground, method, one.target(VICTIM, ground.ids[VICTIM]))
            public = answer.status < 300 and one.of_a_tenant
            report.expect(not leaks(answer) and not public, f"{method} {one.path} without a credential: {answer.status}")


# --- pages -------------------------------------------------------------------------------------------------------------------


async def browsers(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """What a page of another origin is allowed: to order a call, with its own key, from its own origin."""
    for one in chosen:
        for tenant_id in (OWN, VICTIM):
            for origin in (PAGE, EVIL, "null", PAGE.upper(), PAGE + ":8443"):
                for method in ("POST", "GET", "DELETE"):
                    asked = (
                        ("origin", origin),
                        ("access-control-request-method", method),
                        ("access-control-request-headers", "authorization"),
                    )
                    answer = await report.ask(ground, "OPTIONS", one.target(tenant_id, ground.ids[tenant_id]), asked)
                    allowed = answer.headers.get("access-control-allow-origin")
                    right = (one.path.endswith("/calls"), tenant_id, origin, method) == (True, OWN, PAGE, "POST")
                    report.expect(
                        (allowed == PAGE) if right else allowed is None, f"preflight of {origin} for {method} {one.path}: {allowed}"
                    )
                    report.expect("access-control-allow-credentials" not in answer.headers, "cookies are allowed across origins")
    page, full = ground.credential("a page's key on its page"), ground.credential("a key with every scope")
    calls = f"/v1/tenants/{OWN}/calls"
    mine = await report.ask(ground, "POST", calls, (*page.headers, ("idempotency-key", "p1")), {})
    report.expect(mine.headers.get("access-control-allow-origin") == PAGE, f"the page cannot read its answer: {mine.status}")
    for origin in (EVIL, "null"):
        answer = await report.ask(ground, "POST", calls, (*full.headers, ("origin", origin), ("idempotency-key", "p2")), {})
        report.expect(
            answer.status == 403 and "access-control-allow-origin" not in answer.headers, f"a secret key on a page: {answer.status}"
        )
        answer = await report.ask(ground, "GET", f"/v1/tenants/{OWN}/sessions", (*full.headers, ("origin", origin)))
        report.expect("access-control-allow-origin" not in answer.headers, f"a page of {origin} may read sessions")


# --- keys of test mode -------------------------------------------------------------------------------------------------------


async def test_mode(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """To a key of test mode there are no real calls, even of its own tenant."""
    key, written = ground.credential("a test key with every scope"), golden.entries()
    for one in chosen:
        if one.name not in written or "test_key" not in written[one.name].admits or one.name in ("listTenants", "getTenant"):
            continue
        headers = (*key.headers, ("idempotency-key", one.name))
        answer = await report.ask(ground, one.method, one.target(OWN, ground.ids[OWN]), headers, _body(one))
        hidden = answer.status == 404 and answer.code.endswith("_not_found")
        report.expect(hidden or answer.code == "forbidden", f"{one.name} shows a real call to a test key: {answer.status} {answer.code}")


# --- bodies and cursors ------------------------------------------------------------------------------------------------------

OPEN_BODIES: frozenset[str] = frozenset()
"""Operations whose body is not of fixed fields."""


async def mass_assignment(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """Fields that the API does not know are refused, not passed on."""
    extra = {"tenant_id": VICTIM, "id": ground.ids[VICTIM]["call_id"], "is_admin": True, "roles": ["platform_admin"], "created_by": "x"}
    for one in chosen:
        if not one.has_body or one.name in OPEN_BODIES or one.name == "initSession":
            continue
        for shown in (ground.credential("its admin"), ground.credential("a platform admin")):
            for name, value in extra.items():
                tenant_id = SPARE if shown.tenant_id == "*" else OWN
                answer = await report.ask(ground, one.method, one.target(tenant_id, ground.ids[tenant_id]), shown.headers, {name: value})
                report.expect(answer.status >= 400, f"{one.name} takes {name} from {shown.name}: {answer.status} {answer.code}")


WHOLE_LISTS = frozenset({"listFailedItems", "listWebhooks", "listSecrets", "listKnowledge"})
"""Lists of one page: a cursor is no parameter of theirs, and changes nothing."""


async def cursors(ground: Ground, chosen: tuple[Operation, ...], report: Report) -> None:
    """A cursor belongs to one list of one tenant."""
    admin, victim = ground.credential("its admin"), ground.credential("the other tenant's admin")
    for one in chosen:
        if one.method != "GET" or not one.name.startswith("list") or not one.of_a_tenant:
            continue
        given = await report.ask(ground, "GET", one.target(VICTIM, ground.ids[VICTIM]) + "?limit=1", victim.headers)
        cursor = given.json.get("next_cursor") if given.status == 200 else None
        for shown in (cursor, (cursor or "AAAA")[:-2] + "AA", "made-up"):
            if shown:
                answer = await report.ask(ground, "GET", one.target(OWN, ground.ids[OWN]) + f"?cursor={shown}", admin.headers)
                fine = (answer.status in (403, 422) or one.name in WHOLE_LISTS) and not leaks(answer)
                report.expect(fine, f"{one.name} takes the victim's cursor: {answer.status} {answer.code}")


# --- the second wall ---------------------------------------------------------------------------------------------------------


async def second_wall(ground: Ground, report: Report) -> None:
    """What a handler with a bug would do: ask the desks for the victim's things, past the guard."""
    theirs = ground.ids[VICTIM]
    services = ground.services
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "tenants.get": lambda: services.tenants.get(VICTIM),
        "calls.get": lambda: services.calls.get(VICTIM, theirs["call_id"]),
        "calls.end": lambda: services.calls.end(VICTIM, theirs["call_id"]),
        "sessions.list": lambda: services.sessions.list(VICTIM, SessionFilter(), limit=5),
        "sessions.get": lambda: services.sessions.get(VICTIM, theirs["session"]),
        "sessions.record": lambda: services.sessions.record(VICTIM, theirs["session"]),
        "leads.list": lambda: services.leads.list(VICTIM, limit=5),
        "leads.get": lambda: services.leads.get(VICTIM, theirs["lead_id"]),
        "api_keys.list": lambda: services.api_keys.list(VICTIM, limit=5),
        "api_keys.get": lambda: services.api_keys.get(VICTIM, theirs["key_id"]),
        "api_keys.revoke": lambda: services.api_keys.revoke(VICTIM, theirs["key_id"]),
        "conversations.open": lambda: services.conversations.open(VICTIM, ""),
        "conversations.say": lambda: services.conversations.say(VICTIM, theirs["conversation_id"], "hello"),
        "conversations.close": lambda: services.conversations.close(VICTIM, theirs["conversation_id"]),
    }
    attacker = Principal(Kind.API_KEY, "key", OWN)
    for name, call in asked.items():
        async for held in _held(call, attacker):
            report.cases += 1
            report.expect(held, f"no second wall before {name}")


async def _held(call: Callable[[], Awaitable[object]], attacker: Principal) -> AsyncIterator[bool]:
    """Bound to one's own tenant; bound, by a bug, to the victim; bound to none."""
    for bound in (OWN, VICTIM, ""):
        with asked_by(attacker), working_for(tenant_id=bound):
            yield await _refuses(call)
    with working_for(tenant_id=OWN):
        yield await _refuses(call)


async def _refuses(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        await call()
    except (NexusError, RuntimeError):
        return True
    return False
