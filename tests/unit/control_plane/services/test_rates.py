"""A budget is never overdrawn, whatever the number of instances, and costs few writes."""

from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.services.rates import MOST_SHARES, WINDOW_S, RateLimiter
from nexus.adapters.memory import MemoryDocumentStore
from nexus.errors import Unavailable
from nexus.ports.documents import DocumentStore
from tests.fakes.faulty_documents import FaultyDocuments
from tests.fakes.wall_clock import WallClock

LIMITS = {"api_key": 50, "person": 10}


async def granted(limiter: RateLimiter, times: int, owner: str = "barber_shop", kind: str = "api_key") -> int:
    budgets = [await limiter.take(owner, kind) for _ in range(times)]
    return sum(budget is not None and budget.granted for budget in budgets)


async def test_a_minute_has_its_budget_and_the_next_one_its_own(documents: DocumentStore, wall: WallClock) -> None:
    limiter = RateLimiter(documents, wall, LIMITS)
    assert await granted(limiter, 70) == 50
    wall.go(WINDOW_S)
    assert await granted(limiter, 70) == 50


async def test_tenants_and_kinds_do_not_share(documents: DocumentStore, wall: WallClock) -> None:
    limiter = RateLimiter(documents, wall, LIMITS)
    assert await granted(limiter, 60) == 50
    assert await granted(limiter, 5, kind="person") == 5
    assert await granted(limiter, 5, owner="pizza_shop") == 5


async def test_what_is_told_counts_down_to_the_end_of_the_minute(documents: DocumentStore, wall: WallClock) -> None:
    limiter = RateLimiter(documents, wall, LIMITS)
    wall.go(12.4)
    told = [await limiter.take("barber_shop", "api_key") for _ in range(52)]
    assert [budget.remaining for budget in told if budget] == [*range(49, -1, -1), 0, 0]
    assert {(budget.limit, budget.reset_s) for budget in told if budget} == {(50, 48)}
    assert [budget.granted for budget in told if budget][-3:] == [True, False, False]


@pytest.mark.parametrize("kind", ["local", "public", "nobody"])
async def test_a_kind_without_a_limit_asks_no_store(documents: DocumentStore, wall: WallClock, kind: str) -> None:
    faulty = FaultyDocuments(documents)
    assert await RateLimiter(faulty, wall, {**LIMITS, "nobody": 0}).take("barber_shop", kind) is None
    assert faulty.requests == 0


async def test_a_budget_costs_a_fraction_of_a_write_a_request(documents: DocumentStore, wall: WallClock) -> None:
    faulty = FaultyDocuments(documents)
    limiter = RateLimiter(faulty, wall, {"api_key": 1000})
    assert await granted(limiter, 1000) == 1000
    assert faulty.requests == 2 * 25
    assert await granted(limiter, 500) == 0
    assert faulty.requests == 2 * 25 + 1  # one look that nothing is left, and none after it


@given(turns=st.lists(st.integers(0, 4), max_size=200), limit=st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_instances_together_never_grant_more_than_the_budget(turns: list[int], limit: int) -> None:
    async def play() -> None:
        wall = WallClock()
        documents = MemoryDocumentStore(wall.now)
        limiters = [RateLimiter(documents, wall, {"api_key": limit}) for _ in range(5)]
        total = 0
        for turn in turns:
            total += await granted(limiters[turn], 1)
        assert total <= limit
        alone = turns[: limit + 5]
        if len(set(alone)) == 1:
            assert total == min(len(turns), limit)

    asyncio.run(play())


async def test_an_instance_that_takes_in_between_is_seen(documents: DocumentStore, wall: WallClock) -> None:
    faulty = FaultyDocuments(documents)
    one, other = RateLimiter(faulty, wall, {"api_key": 1}), RateLimiter(documents, wall, {"api_key": 1})
    between: list[int] = []

    async def take() -> None:
        between.append(await granted(other, 1))

    faulty.before_write = take
    assert (await granted(one, 1), between) == (0, [1])


async def test_requests_at_once_in_one_instance_share_blocks(documents: DocumentStore, wall: WallClock) -> None:
    limiter = RateLimiter(documents, wall, LIMITS)
    budgets = await asyncio.gather(*(limiter.take("barber_shop", "api_key") for _ in range(80)))
    assert sum(budget is not None and budget.granted for budget in budgets) == 50


async def test_a_store_that_fails_does_not_close_the_api(
    documents: DocumentStore, wall: WallClock, caplog: pytest.LogCaptureFixture
) -> None:
    faulty = FaultyDocuments(documents)
    faulty.failure = Unavailable("store_unavailable", "no")
    with caplog.at_level(logging.WARNING):
        assert await granted(RateLimiter(faulty, wall, LIMITS), 60) == 60
    assert "not counted" in caplog.text


async def test_an_instance_remembers_no_more_than_it_must(documents: DocumentStore, wall: WallClock) -> None:
    limiter = RateLimiter(MemoryDocumentStore(wall.now), wall, {"api_key": 1})
    for at in range(MOST_SHARES + 50):
        await limiter.take(f"tenant_{at}", "api_key")
    assert len(limiter._shares) <= MOST_SHARES
