"""Who asks: a person, a tenant's key, a page with a publishable key, or whoever sits at this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is. A key has scopes in place of a role."""

    PLATFORM_ADMIN = "platform_admin"
    TENANT_ADMIN = "tenant_admin"
    TENANT_VIEWER = "tenant_viewer"
    ANALYST = "analyst"


class Kind(StrEnum):
    """What kind of credential was shown."""

    PERSON = "person"
    API_KEY = "api_key"
    PUBLISHABLE_KEY = "publishable_key"
    LOCAL = "local"
    """No credential, on a machine that asks for none."""
    PUBLIC = "public"
    """No credential, at an address that needs none."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        id: the key's id or the person's subject.
        tenant_id: whose key or whose person; empty for the platform's people.
        roles: of people.
        scopes: of API keys: permissions of the matrix.
        test: a key of test mode, which touches test calls only.
    """

    kind: Kind
    id: str = ""
    tenant_id: str = ""
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[str] = frozenset()
    test: bool = False

    @property
    def is_platform(self) -> bool:
        """Whether every tenant is within reach."""
        return self.kind in (Kind.PERSON, Kind.LOCAL) and Role.PLATFORM_ADMIN in self.roles

    def reaches(self, tenant_id: str) -> bool:
        """Whether this tenant's things may be touched at all."""
        return bool(tenant_id) and (self.is_platform or tenant_id == self.tenant_id)


LOCAL = Principal(Kind.LOCAL, id="local", roles=frozenset({Role.PLATFORM_ADMIN}))
PUBLIC = Principal(Kind.PUBLIC)

_asking: ContextVar[Principal | None] = ContextVar("nexus_principal", default=None)


def asking() -> Principal | None:
    """Who the request at hand is for; None outside of requests (events, jobs, start-up)."""
    return _asking.get()


@contextmanager
def asked_by(principal: Principal) -> Iterator[None]:
    """Everything inside the block is done for ``principal``."""
    token = _asking.set(principal)
    try:
        yield
    finally:
        _asking.reset(token)
