"""What a month costs: by hand, by unit, and never 0 for what is not known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.capacity import cost
from infra.capacity.cost import Load, Usage, bill, known_total
from infra.capacity.prices import Amount, Price, PriceList, read_prices

PRICES = read_prices()
USE = Usage()
LOAD = Load("100", calls=400_000, call_minutes=2_000_000, gpu_hours=58_000, mean_tasks=80, most_tasks=200, warm_pool=10)
IDLE = Load("idle", calls=0, call_minutes=0, gpu_hours=730, mean_tasks=1, most_tasks=4, warm_pool=0)


def priced(name: str, usd: float | None) -> PriceList:
    """The list with another price."""
    return PRICES.model_copy(update={"prices": {**PRICES.prices, name: PRICES.prices[name].model_copy(update={"usd": usd})}})


def amounts(of: list[Amount]) -> dict[str, float]:
    return {one.of: one.quantity for one in of}


def line(name: str, load: Load, prices: PriceList = PRICES) -> float | None:
    return next(one.usd for one in bill(load, prices, USE) if one.name == name)


def test_a_gpu_for_a_month() -> None:
    assert line("GPU instances", IDLE) == pytest.approx(730 * 1.86)


def test_volumes_are_paid_by_running_and_by_stopped_hosts() -> None:
    load = replace(IDLE, gpu_hours=1_460, warm_pool=3)

    assert line("Volumes of GPU hosts and of the warm pool", load) == pytest.approx((2 + 3) * 120 * 0.08)


def test_audio_in_gigabytes() -> None:
    """A million minutes of 40 kbit/s: 6e7 s x 5 kB = 300 GB."""
    assert cost.media_gb(replace(IDLE, call_minutes=1e6), 40) == pytest.approx(300)
    assert amounts(cost.transfer(replace(IDLE, call_minutes=1e6), USE)) == pytest.approx({"transfer-out": 300, "transfer-zone": 300})


def test_the_balancer_is_paid_by_its_gigabytes_an_hour_and_one_unit_at_least() -> None:
    assert amounts(cost.balancer(IDLE, USE))["alb-lcu"] == 730
    assert amounts(cost.balancer(replace(IDLE, call_minutes=5e6), USE))["alb-lcu"] == pytest.approx(3_000)


def test_a_task_writes_a_heartbeat_every_second() -> None:
    used = amounts(cost.table(IDLE, USE))

    assert used["dynamodb-write"] == pytest.approx(2.628)
    assert used["dynamodb-read"] == pytest.approx(2.628 * 2)


def test_heartbeats_read_the_list_of_all_tasks() -> None:
    """180 bytes a task in units of 4 KB: 22 tasks are one unit, 23 are two; the task's own slots one more."""
    assert [cost.heartbeat_reads(tasks) for tasks in (1, 22, 23, 250)] == [2, 2, 3, 12]


def test_a_fleet_stays_within_what_one_partition_gives() -> None:
    """3,000 read units and 1,000 write units a second."""
    full = cost.TASKS_A_FLEET

    assert full / cost.HEARTBEAT_S * cost.heartbeat_reads(full) <= 3_000
    assert full / cost.HEARTBEAT_S <= 1_000
    assert [replace(IDLE, most_tasks=tasks).fleets for tasks in (1, 250, 251, 1_800)] == [1, 1, 2, 8]


def test_a_call_read_by_gemini() -> None:
    assert line("Gemini reads each call once (leads)", LOAD) == pytest.approx(400_000 * (3_000 * 0.75 + 500 * 3.75) / 1e6)


def test_athena_is_charged_ten_megabytes_at_least() -> None:
    assert amounts(cost.athena(IDLE, USE))["athena-scan"] == pytest.approx(50 * 730 / 24 * 0.01 / 1e3)


def test_every_line_is_known_and_none_shrinks_with_the_load() -> None:
    idle, busy = bill(IDLE, PRICES, USE), bill(LOAD, PRICES, USE)

    assert [one.name for one in idle] == [name for name, _ in cost.LINES]
    assert all(a.usd is not None and b.usd is not None and 0 <= a.usd <= b.usd for a, b in zip(idle, busy, strict=True))


@pytest.mark.parametrize("name", ["g6e.xlarge", "dynamodb-read", "gemini-output"])
def test_an_unknown_price_makes_its_line_unknown_and_is_named(name: str) -> None:
    lines = bill(LOAD, priced(name, None), USE)
    known, missing = known_total(lines)

    assert len(missing) == 1
    assert known < known_total(bill(LOAD, PRICES, USE))[0]
    assert [one.name for one in lines if name in one.of] == [*missing]


def test_what_is_not_used_may_cost_what_it_will() -> None:
    assert line("Gemini reads each call once (leads)", IDLE, priced("gemini-input", None)) == 0


def test_units_must_agree() -> None:
    with pytest.raises(ValueError, match=r"alb is priced by the hour, not by the month"):
        PRICES.cost(Amount("alb", 1, "month"))


@pytest.mark.parametrize("load", [IDLE, LOAD])
def test_all_amounts_are_in_the_units_of_their_prices(load: Load) -> None:
    for _, amounts_of in cost.LINES:
        for amount in amounts_of(load, USE):
            assert PRICES.prices[amount.of].unit == amount.unit


def test_one_call_minute_by_engine() -> None:
    assert cost.gpu_minute("g6e.xlarge", 1.5, PRICES) == pytest.approx(1.5 * 1.86 / 60)
    assert cost.cascade_minute(1.0, PRICES) == pytest.approx((0.04048 + 2 * 0.004445) / 60)
    assert cost.cascade_minute(0.5, PRICES) == pytest.approx(2 * (cost.cascade_minute(1.0, PRICES) or 0))
    assert cost.dialogue_minute(PRICES) == pytest.approx(4 * (2_500 * 0.75 + 60 * 3.75) / 1e6)
    assert cost.live_minute(PRICES) is None
    assert cost.gpu_minute("g6e.xlarge-spot", 1.0, PRICES) is None


def test_the_list_says_where_and_when_and_how_sure() -> None:
    assert PRICES.region == "us-east-1"
    assert PRICES.dated <= date.today()
    assert {one.confidence for one in PRICES.prices.values()} == {"read", "memory"}
    assert all(one.usd is None or one.usd > 0 for one in PRICES.prices.values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"usd": -1, "unit": "hour", "confidence": "read", "note": "x"},
        {"usd": 1, "unit": "fortnight", "confidence": "read", "note": "x"},
        {"usd": 1, "unit": "hour", "confidence": "guess", "note": "x"},
        {"usd": 1, "unit": "hour", "confidence": "read", "note": ""},
        {"unit": "hour", "confidence": "read", "note": "x"},
    ],
)
def test_a_price_without_its_facts_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(wrong)


def test_a_list_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(
        "region: eu-central-1\ndated: 2026-11-21\nprices:\n  alb: {usd: 0.5, unit: hour, confidence: read, note: a}\n"
        "  nat: {usd: null, unit: hour, confidence: memory, note: b}\n"
    )
    held = read_prices(path)

    assert held.total([Amount("alb", 2, "hour")]) == 1
    assert held.total([Amount("alb", 2, "hour"), Amount("nat", 1, "hour")]) is None
