"""Scale-in protection: asked for with the first lease, kept while anybody is here, taken off when the process is empty."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_plane.server.occupancy import Occupancy, seen
from media_plane.server.protection import ProtectionNews, ProtectionPlan, ProtectionTerms, Protector
from nexus.adapters.ecs_agent import EcsProtection, read_task
from nexus.clock import Clock
from nexus.domain.call import CallEntry, CallOrder
from nexus.errors import ConfigurationError, UpstreamError
from tests.fakes.ecs_agent import TASK_ID, Asked, EcsAgent, Mood
from tests.fakes.stored import NOON, call_id

TERMS = ProtectionTerms(minutes=70, renew_after_ms=300_000, idle_ms=15_000, retry_ms=2_000)


def entry(clock: Clock, number: int = 1, lease_s: float = 60) -> CallEntry:
    order = CallOrder(tenant_id="barber", config_hash="h")
    until = clock.now() + timedelta(seconds=lease_s)
    return CallEntry(call_id=call_id(number), order=order, nonce="n", process_id="p", created_at=NOON, lease_expires_at=until)


# --- what is asked for, and when ---


def test_a_longest_call_and_ten_minutes() -> None:
    assert ProtectionTerms.for_calls_of(3600).minutes == 70
    assert ProtectionTerms.for_calls_of(61).minutes == 12


def test_the_course_of_a_day() -> None:
    plan = ProtectionPlan(TERMS)
    assert plan.due(0, busy=False) is None, "an empty process asks for nothing"
    assert plan.due(1_000, busy=True) == "protect"
    plan.done("protect", 1_000)
    assert plan.due(300_999, busy=True) is None
    assert plan.due(301_000, busy=True) == "protect", "renewed while busy"
    plan.done("protect", 301_000)
    assert plan.due(310_000, busy=True) is None
    assert plan.due(324_999, busy=False) is None, "the next call may follow at once"
    assert plan.due(325_000, busy=False) == "unprotect"
    plan.done("unprotect", 325_000)
    assert plan.due(900_000, busy=False) is None


def test_a_wish_that_failed_is_repeated_ever_more_slowly_and_taken_back_in_any_case() -> None:
    plan, asked_at = ProtectionPlan(TERMS), []
    for at_ms in range(0, 300_000, 500):
        if plan.due(at_ms, busy=True):
            asked_at.append(at_ms)
            plan.failed(at_ms)
    gaps = [later - earlier for earlier, later in pairwise(asked_at)]
    assert gaps[:6] == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000] and set(gaps[6:]) <= {60_000}
    assert plan.due(500_000, busy=False) == "unprotect", "nobody knows whether a wish without answer was granted"


@given(st.lists(st.tuples(st.integers(1, 120_000), st.booleans(), st.booleans()), max_size=60))
def test_whoever_is_here_is_protected_unless_the_platform_refuses(steps: list[tuple[int, bool, bool]]) -> None:
    """With any coming and going: no wish without need, never silent while busy and unprotected but for the pause after a failure."""
    plan, at_ms, set_at, quiet_until = ProtectionPlan(TERMS), 0, None, 0.0
    for wait_ms, busy, granted in steps:
        at_ms += wait_ms
        wish = plan.due(at_ms, busy=busy)
        if busy and (set_at is None or at_ms - set_at >= TERMS.renew_after_ms) and at_ms >= quiet_until:
            assert wish == "protect"
        if wish is None:
            continue
        assert (wish == "protect") == busy
        if granted:
            plan.done(wish, at_ms)
            set_at, quiet_until = (at_ms if wish == "protect" else None), at_ms
        else:
            plan.failed(at_ms)
            quiet_until = at_ms + 60_000


# --- the agent of ECS ---


async def test_the_agent_is_asked_as_it_wants_to_be() -> None:
    with EcsAgent() as agent:
        protection = EcsProtection(agent.environment["ECS_AGENT_URI"])
        assert await protection.protect(70) == "granted"
        agent.mood = "held_up"
        assert await protection.protect(70) == "held_up"
        assert agent.protected
        await protection.unprotect()
        assert not agent.protected
        agent.mood = "sound"
        await protection.protect(100_000)
        assert agent.asked == [Asked(True, 70), Asked(True, 70), Asked(False, 0), Asked(True, 2880)]
        assert agent.faults == []


@pytest.mark.parametrize(
    ("mood", "why"),
    [("refuses", "TASK_NOT_VALID"), ("denies", "AccessDenied"), ("throttles", "Rate"), ("nonsense", "no JSON object"), ("hangs", "within")],
)
async def test_every_other_answer_is_a_failure_that_names_its_reason(mood: Mood, why: str) -> None:
    with EcsAgent(mood=mood) as agent:
        with pytest.raises(UpstreamError, match=why) as failed:
            await EcsProtection(agent.environment["ECS_AGENT_URI"], deadline_s=0.3).protect(5)
        assert failed.value.code == "protection_failed"


async def test_an_agent_that_is_not_there() -> None:
    with EcsAgent() as gone:
        uri = gone.environment["ECS_AGENT_URI"]
    with pytest.raises(UpstreamError):
        await EcsProtection(uri).protect(5)
    with pytest.raises(ConfigurationError, match="MEDIA_RELAY_URL=ecs"):
        await read_task(uri)


@pytest.mark.parametrize(("restarts", "process_id"), [(None, TASK_ID), (0, TASK_ID), (2, f"{TASK_ID}-r2")])
async def test_who_we_are(restarts: int | None, process_id: str) -> None:
    with EcsAgent(restarts=restarts, addresses=("10.0.3.7", "10.0.3.8")) as agent:
        task = await read_task(agent.environment["ECS_CONTAINER_METADATA_URI_V4"])
    assert (task.process_id, task.address) == (process_id, "10.0.3.7")


@pytest.mark.parametrize("addresses", [(), ("fd00::1",), ("no address",)])
async def test_a_task_without_an_address_of_its_own_cannot_start(addresses: tuple[str, ...]) -> None:
    with EcsAgent(addresses=addresses) as agent, pytest.raises(ConfigurationError, match="awsvpc"):
        await read_task(agent.environment["ECS_CONTAINER_METADATA_URI_V4"])


# --- both together ---


@asynccontextmanager
async def protected(agent: EcsAgent, **terms: float) -> AsyncIterator[tuple[Occupancy, list[str]]]:
    clock, failures = Clock(), list[str]()
    occupancy = Occupancy(clock)
    settled = ProtectionTerms(minutes=70, **{"idle_ms": 0.0, "retry_ms": 1.0, **terms})
    platform = EcsProtection(agent.environment["ECS_AGENT_URI"], deadline_s=0.2)
    told = ProtectionNews(lambda: failures.append("failed"), lambda yields: failures.append(f"yields {yields}"))
    protector = Protector(platform, settled, occupancy, clock, told)
    running = asyncio.create_task(protector.run())
    try:
        yield occupancy, failures
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await protector.take_off()


async def asked(agent: EcsAgent, count: int) -> list[Asked]:
    return await asyncio.to_thread(agent.wait_for, count)


async def until(occupancy: Occupancy, met: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not met():  # an answer is on its way
            await seen(occupancy.next_change, 0.01)


async def test_from_the_first_lease_to_the_last_socket() -> None:
    with EcsAgent() as agent:
        async with protected(agent) as (occupancy, failures):
            occupancy.leases([entry(Clock())])
            assert await asked(agent, 1) == [Asked(True, 70)]
            with occupancy.living(call_id(1)):  # the caller has come
                occupancy.leases([])
                with occupancy.relayed(call_id(2)):
                    pass
            assert (await asked(agent, 2))[1:] == [Asked(False, 0)]
            occupancy.knocks("socket")
            assert (await asked(agent, 3))[2:] == [Asked(True, 70)]
        assert (agent.asked[-1], agent.faults) == (Asked(False, 0), []), "taken off at the end, whoever is here"
        assert {*failures} == {"yields False"}


async def test_a_protected_process_whose_deployment_is_held_up_yields_until_its_calls_are_done() -> None:
    with EcsAgent() as agent:
        async with protected(agent, renew_after_ms=5.0) as (occupancy, told):
            with occupancy.living(call_id(1)):
                await asked(agent, 1)
                agent.mood = "held_up"
                await until(occupancy, lambda: "yields True" in told)
                assert agent.protected and "failed" not in told, "what was granted holds"
                agent.mood = "sound"
                before = len(agent.asked)
                await asked(agent, before + 2)
                assert told[-1] == "yields True", "granted again, it stays one of those that the deployment waits for"
            await until(occupancy, lambda: told[-1] == "yields False")
            assert not agent.protected


async def test_a_new_process_that_older_ones_hold_up_goes_on_as_before() -> None:
    with EcsAgent(mood="held_up") as agent:
        async with protected(agent) as (occupancy, told):
            with occupancy.living(call_id(1)):
                await asked(agent, 2)
                agent.mood = "sound"
                await until(occupancy, lambda: agent.protected)
                assert {*told} == {"failed"}, "its calls are not protected, and it does not yield"


async def test_an_agent_that_hangs_hurts_nobody_and_is_asked_again() -> None:
    with EcsAgent(mood="hangs") as agent:
        async with protected(agent) as (occupancy, failures):
            with occupancy.living(call_id(1)):
                await asked(agent, 2)
                agent.mood = "sound"
                before = len(agent.asked)
                await asked(agent, before + 1)
                await until(occupancy, lambda: agent.protected)
            assert failures


async def test_a_lease_that_runs_out_leaves_the_process_empty() -> None:
    occupancy = Occupancy(Clock(speed=1000))
    occupancy.leases([entry(Clock(), lease_s=20)])
    assert occupancy.busy
    async with asyncio.timeout(5):
        while occupancy.busy:
            await seen(occupancy.next_change, 0.01)
