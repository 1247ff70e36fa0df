"""The issuer's keys are fetched when they are needed, not at every stranger's wish, and never guessed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from control_plane.access.tokens import TokenRules
from control_plane.services.people import Freshness, TokenChecker
from nexus.errors import NotAuthorised, Unavailable
from tests.fakes.issuer import AUDIENCE, ISSUER, ToldIssuerKeys, claims, jwk, rsa_key, token
from tests.fakes.later_clock import LaterClock

FRESH = Freshness(renew_s=600, stale_s=3600, again_s=30)


class Desk:
    def __init__(self) -> None:
        self.keys, self.clock = ToldIssuerKeys(), LaterClock()
        self.checker = TokenChecker(self.keys, TokenRules(ISSUER, AUDIENCE), self.clock, FRESH)

    async def code(self, text: str) -> str:
        try:
            await self.checker.principal(text)
        except (NotAuthorised, Unavailable) as error:
            return error.code
        return "in"


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_one_fetch_serves_many(desk: Desk) -> None:
    told = token(claims())
    assert set(await asyncio.gather(*(desk.code(told) for _ in range(20)))) == {"in"}
    assert desk.keys.fetched == 1


async def test_strangers_cannot_make_us_fetch(desk: Desk) -> None:
    told = token(claims())
    assert await desk.code(told) == "in"
    for number in range(50):
        assert await desk.code(token(claims(), kid=f"made-up-{number}")) == "credential_invalid"
    assert desk.keys.fetched <= 2
    assert await desk.code("no.token.atall") == "credential_invalid"
    assert desk.keys.fetched <= 2


async def test_a_new_key_of_the_issuer_is_found(desk: Desk) -> None:
    assert await desk.code(token(claims())) == "in"
    desk.keys.keys.append(jwk("rsa-2", rsa_key("next")))
    desk.clock.advance(timedelta(seconds=31))
    assert await desk.code(token(claims(), kid="rsa-2", key=rsa_key("next"))) == "in"


async def test_a_withdrawn_key_dies_with_the_next_fetch(desk: Desk) -> None:
    assert await desk.code(token(claims())) == "in"
    desk.keys.keys = [jwk("rsa-2", rsa_key("next"))]
    assert await desk.code(token(claims())) == "in"
    desk.clock.advance(timedelta(seconds=601))
    assert await desk.code(token(claims())) == "credential_invalid"


async def test_an_issuer_that_is_away_opens_nothing(desk: Desk) -> None:
    desk.keys.down = True
    assert await desk.code(token(claims())) == "issuer_unreachable"
    assert await desk.code(token(claims())) == "issuer_unreachable"
    assert desk.keys.fetched == 1, "and is not asked at every request"
    desk.keys.down = False
    desk.clock.advance(timedelta(seconds=31))
    assert await desk.code(token(claims())) == "in"


async def test_known_keys_serve_on_while_the_issuer_is_away_but_not_for_ever(desk: Desk) -> None:
    assert await desk.code(token(claims())) == "in"
    desk.keys.down = True
    desk.clock.advance(timedelta(seconds=601))
    assert await desk.code(token(claims())) == "in"
    assert await desk.code(token(claims(), kid="rsa-9")) == "issuer_unreachable"
    desk.clock.advance(timedelta(seconds=3000))
    assert await desk.code(token(claims(exp=9_999_999_999))) == "issuer_unreachable"


async def test_a_bad_token_is_told_from_an_issuer_that_is_away(desk: Desk) -> None:
    assert await desk.code(token(claims(), key=rsa_key("other"))) == "credential_invalid"
    assert await desk.code(token(claims(exp=1))) == "credential_expired"
