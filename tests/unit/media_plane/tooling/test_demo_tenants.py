"""The demo tenants do what they say, through the real child process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from media_plane.tooling.processes import ToolProcesses, folder_sources
from media_plane.tooling.runner import TenantTools, ToolParts
from nexus.adapters.memory.calls import MemoryEffectLog
from nexus.adapters.memory.tenants import MemoryToolStore
from nexus.clock import Clock
from nexus.domain.tenant import TenantConfig
from tests.fakes.tool_bench import run

TENANTS = Path(__file__).parents[4] / "tenants"
NOW = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)  # Friday evening, 10:30 PM, in New York; Saturday in UTC


@dataclass(frozen=True, slots=True)
class _StoppedClock(Clock):
    at: datetime = NOW

    def now(self) -> datetime:
        return self.at


@asynccontextmanager
async def shop(tenant_id: str, at: datetime = NOW) -> AsyncIterator[tuple[MemoryToolStore, TenantTools, TenantTools]]:
    config = TenantConfig(**yaml.safe_load((TENANTS / tenant_id / "config.yaml").read_text()))
    store = MemoryToolStore()
    async with ToolProcesses(store) as processes:
        parts = ToolParts(processes, folder_sources(TENANTS), MemoryEffectLog(), _StoppedClock(at=at))
        one, two = TenantTools(config, "call_1", parts), TenantTools(config, "call_2", parts)
        assert len(await one.tools()) == len(config.enabled_tools), await one.faults()
        yield store, one, two


JANE = {"customer_name": "Jane Doe", "phone": "5550001234"}
BOOKING = {"date": "tomorrow", "time": "10:30 AM", **JANE}


async def test_barber_tomorrow_is_the_tenants_tomorrow_and_the_booking_is_visible() -> None:
    async with shop("barber_shop_demo") as (store, one, _):
        booked = await run(one, "book_appointment", BOOKING)
        assert booked.output == "You are booked: haircut for Jane Doe on Saturday, November 21 at 10:30 AM."
        (kept,) = await store.list("barber_shop_demo", "slot/")
        assert kept.key == "slot/2026-11-21T10:30"
        assert (kept.value["customer_name"], kept.value["call_id"], kept.value["effect_id"]) == ("Jane Doe", "call_1", booked.effect_id)


async def test_barber_of_two_callers_at_once_exactly_one_wins() -> None:
    async with shop("barber_shop_demo") as (store, one, two):
        both = await asyncio.gather(
            run(one, "book_appointment", BOOKING), run(two, "book_appointment", {**BOOKING, "customer_name": "Bob"})
        )
        assert sorted("You are booked" in ended.output for ended in both) == [False, True]
        refused = next(ended.output for ended in both if "booked" not in ended.output)
        assert "already taken" in refused
        assert "10:00 AM" in refused and "11:00 AM" in refused
        assert len(await store.list("barber_shop_demo", "slot/")) == 1


async def test_barber_an_hour_takes_two_slots_or_none() -> None:
    async with shop("barber_shop_demo") as (store, one, two):
        await run(one, "book_appointment", BOOKING)
        long = {**BOOKING, "time": "10:00", "service": "haircut and beard"}
        assert "already taken" in (await run(two, "book_appointment", long)).output
        assert len(await store.list("barber_shop_demo", "slot/")) == 1
        assert "You are booked" in (await run(two, "book_appointment", {**long, "time": "11:00"}, request_id="r2")).output
        assert len(await store.list("barber_shop_demo", "slot/")) == 3


async def test_barber_cancel_frees_the_slot() -> None:
    async with shop("barber_shop_demo") as (store, one, _):
        await run(one, "book_appointment", BOOKING)
        when = {"date": "2026-11-21", "time": "10:30"}
        assert "cannot find" in (await run(one, "cancel_appointment", {**when, "phone": "5559999999"})).output
        assert "is cancelled" in (await run(one, "cancel_appointment", {**when, "phone": "+1 555 000 1234"})).output
        assert await store.list("barber_shop_demo", "slot/") == ()
        assert "You are booked" in (await run(one, "book_appointment", BOOKING, request_id="r3")).output
        assert len(await store.list("barber_shop_demo", "slot/")) == 1


async def test_barber_says_why_not() -> None:
    async with shop("barber_shop_demo") as (_, one, _two):
        asked = {
            "closed on Mondays": {"date": "monday", "time": "10:00"},
            "already passed": {"date": "2026-11-20", "time": "10:00"},
            "open from 9:00 AM to 4:00 PM": {"date": "tomorrow", "time": "20:00"},
            "half past": {"date": "tomorrow", "time": "10:10"},
            "is free": {"date": "saturday", "time": "2 pm"},
            "you could come at": {"date": "tomorrow"},
        }
        for number, (wanted, arguments) in enumerate(asked.items()):
            assert wanted in (await run(one, "check_availability", arguments, request_id=str(number))).output


async def test_pizza_orders_get_numbers_and_can_be_asked_for() -> None:
    async with shop("pizza_shop_01", NOW.replace(hour=2)) as (store, one, two):
        order = {"pizza": "Pepperoni", "size": "large", "quantity": "2", **JANE}
        both = await asyncio.gather(run(one, "place_order", order), run(two, "place_order", order))
        assert {ended.output.partition(":")[0] for ended in both} == {"Order 1001", "Order 1002"}
        assert "34 dollars" in both[0].output
        assert (await run(one, "order_status", {"order_number": "1002"})).output.endswith("in about 20 minutes.")
        assert "12 dollars" in (await run(one, "get_menu", {"pizza": "margherita"})).output
        assert len(await store.list("pizza_shop_01", "order/")) == 2


async def test_pizza_is_not_baked_at_night() -> None:
    async with shop("pizza_shop_01", NOW.replace(hour=7)) as (_, one, _two):
        assert "closed" in (await run(one, "place_order", {"pizza": "veggie", "size": "small", **JANE})).output


async def test_restaurant_never_seats_more_than_it_has() -> None:
    async with shop("restaurant_demo") as (store, one, two):
        table = {"date": "tomorrow", "time": "19:00", "party_size": 8}
        made = [
            (await run(one, "make_reservation", {**table, **JANE, "customer_name": f"Guest {n}"}, request_id=str(n))).output
            for n in range(6)
        ]
        assert [("reserved" in said) for said in made] == [True] * 5 + [False]
        assert len(await store.list("restaurant_demo", "seat/2026-11-21T19:00/")) == 40
        assert "We have room at 6:30 or 7:30" in (await run(two, "check_table_availability", table)).output


async def test_the_template_takes_a_message() -> None:
    config = TenantConfig(**yaml.safe_load((TENANTS / "_template" / "config.yaml").read_text()))
    store = MemoryToolStore()
    source = (TENANTS / "_template" / "tools.py").read_text()

    async def read(_: str) -> str:
        return source

    async with ToolProcesses(store) as processes:
        tools = TenantTools(config, "call_1", ToolParts(processes, read, MemoryEffectLog(), Clock()))
        said = await run(tools, "take_message", {**JANE, "message": "Please call me"})
    assert "one working day" in said.output
    assert len(await store.list("my_business", "message/")) == 1
