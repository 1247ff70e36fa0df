"""People's tokens against their issuer's keys, which are fetched, kept, and fetched again within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.access.principal import Principal
from control_plane.access.tokens import IssuerKey, TokenRules, check_token, invalid_token, kid_of, read_keys
from control_plane.ports import IssuerKeySource
from nexus.clock import Clock
from nexus.errors import Unavailable

_log = logging.getLogger("nexus.access")


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old fetched keys may grow.

    Attributes:
        renew_s: after so long they are fetched anew; when that fails the old ones serve on.
        stale_s: after so long without a fetch they serve no more: a key that the issuer withdrew must die.
        again_s: between two fetches at least so long, whatever unknown key ids come in.
    """

    renew_s: float = 3600.0
    stale_s: float = 24 * 3600.0
    again_s: float = 30.0


class TokenChecker:
    """Checks people's tokens.

    Args:
        source: where the issuer's keys are fetched.
        rules: whose tokens are taken.
        clock: wall time.
        freshness: how old keys may grow.
    """

    def __init__(self, source: IssuerKeySource, rules: TokenRules, clock: Clock, freshness: Freshness | None = None) -> None:
        self._source = source
        self._rules = rules
        self._clock = clock
        self._freshness = freshness or Freshness()
        self._keys: Mapping[str, IssuerKey] = {}
        self._fetched_s = self._tried_s = float("-inf")
        self._fetching = asyncio.Lock()

    async def principal(self, token: str) -> Principal:
        """The person.

        Raises:
            NotAuthorised: ``credential_invalid``, ``credential_expired``.
            Unavailable: ``issuer_unreachable``: the token can be neither accepted nor refused.
        """
        key = await self._key(kid_of(token))
        return check_token(token, key, self._rules, now=self._clock.now())

    async def _key(self, kid: str) -> IssuerKey:
        known = self._usable(kid)
        if known is not None and self._age_s() < self._freshness.renew_s:
            return known
        async with self._fetching:
            await self._renew(kid)
        known = self._usable(kid)
        if known is not None:
            return known
        if self._fetched_s < self._tried_s or self._age_s() >= self._freshness.stale_s:
            raise Unavailable("issuer_unreachable", "The issuer's signing keys cannot be fetched just now; try again in a minute.")
        raise invalid_token()

    async def _renew(self, kid: str) -> None:
        """Fetch, unless somebody just has."""
        now_s = self._clock.now().timestamp()
        if self._usable(kid) is not None and self._age_s() < self._freshness.renew_s:
            return
        if now_s - self._tried_s < self._freshness.again_s:
            return
        self._tried_s = now_s
        try:
            self._keys = read_keys(await self._source.fetch())
            self._fetched_s = now_s
        except Unavailable as error:
            _log.warning("the issuer's keys cannot be fetched: %s", error.public_message)

    def _usable(self, kid: str) -> IssuerKey | None:
        return self._keys.get(kid) if self._age_s() < self._freshness.stale_s else None

    def _age_s(self) -> float:
        return self._clock.now().timestamp() - self._fetched_s
