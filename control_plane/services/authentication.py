"""Finds out who asks: a tenant's key, a person's token, or, on a machine that asks for none, whoever sits at it."""

from __future__ import annotations

from typing import Protocol

from control_plane.access.decision import credential_missing
from control_plane.access.keys import PREFIX
from control_plane.access.principal import LOCAL, Principal
from control_plane.services.api_keys import ApiKeyDesk
from nexus.errors import NotAuthorised

LONGEST_CREDENTIAL = 8192


class People(Protocol):
    """Who checks people's tokens."""

    async def principal(self, token: str) -> Principal:
        """The person. Raises NotAuthorised ``credential_invalid``, ``credential_expired``; Unavailable ``issuer_unreachable``."""
        ...


class Authenticator:
    """Turns a request's ``Authorization`` into a principal.

    Args:
        keys: knows API keys.
        people: checks people's tokens; None where no issuer is set.
        required: without it, a request that shows no credential is ``LOCAL``. One that shows a credential is held to it all the same.
    """

    def __init__(self, keys: ApiKeyDesk, people: People | None = None, *, required: bool = True) -> None:
        self._keys = keys
        self._people = people
        self._required = required

    async def principal(self, authorization: str, origin: str = "") -> Principal:
        """Who asks.

        Args:
            authorization: the header's value; empty where there is none.
            origin: the header Origin; empty where there is none.

        Raises:
            NotAuthorised: ``credential_missing``, ``credential_invalid``, ``credential_expired``, ``credential_revoked``,
                ``origin_not_allowed`` for a publishable key on a page that is not its own.
            Unavailable: the store or the issuer does not answer: nobody is let in on suspicion.
        """
        if not authorization:
            if self._required:
                raise credential_missing()
            return LOCAL
        scheme, _, credential = authorization.partition(" ")
        if scheme.lower() != "bearer" or not credential or len(credential) > LONGEST_CREDENTIAL or not credential.isascii():
            raise NotAuthorised("credential_invalid", "Authorization must be the word Bearer, a space, and an API key or a person's token.")
        if credential.startswith(PREFIX):
            return await self._keys.principal(credential, origin)
        if self._people is None:
            raise NotAuthorised("credential_invalid", "Only API keys are taken here: no issuer of people's tokens is set (OIDC_ISSUER).")
        return await self._people.principal(credential)

    async def page_may_call(self, tenant_id: str, origin: str) -> bool:
        """Whether a living publishable key of the tenant names this origin."""
        return await self._keys.names_origin(tenant_id, origin)
