"""docs/cost.md, made of prices.yaml and of what `make simulate` kept."""

from __future__ import annotations

from dataclasses import fields

from infra.capacity.cost import (
    TASKS_A_FLEET,
    Line,
    Load,
    Usage,
    bill,
    cascade_minute,
    dialogue_minute,
    gpu_minute,
    known_total,
    live_minute,
)
from infra.capacity.prices import PriceList
from infra.capacity.report import BIG_INSTANCE, DEFAULT_PEAK, UNKNOWN, cents, filled, table
from infra.capacity.results import Results, idle, month
from infra.capacity.sweep import FOUR_PROCESSES

GPU_LINE = "GPU instances"
CASCADE_UTILISATION = 0.5


def dollars(usd: float | None) -> str:
    """Dollars of a month."""
    if usd is None:
        return UNKNOWN
    return f"{usd:,.0f}" if usd >= 10 else f"{usd:,.2f}"


def loads(results: Results) -> tuple[Load, ...]:
    """The months that are told: nobody calls, then each load that the model knows and the issue asks for."""
    return (idle(results.case(DEFAULT_PEAK)), *(month(results.case(peak)) for peak in (1, 10, 100, 1_000)))


def _bills(months: tuple[Load, ...], prices: PriceList, use: Usage) -> str:
    bills = [bill(load, prices, use) for load in months]
    rows = [(lines[0].name, *(dollars(line.usd) for line in lines)) for lines in zip(*bills, strict=True)]
    totals = [known_total(lines) for lines in bills]
    rows.append(("**together**", *(f"**{_at_least(known, missing)}**" for known, missing in totals)))
    rows.append(("calls", *(f"{load.calls:,.0f}" for load in months)))
    rows.append(("call-minutes", *(f"{load.call_minutes:,.0f}" for load in months)))
    rows.append(("**a call-minute, all lines**", *(_a_minute(lines, load) for lines, load in zip(bills, months, strict=True))))
    rows.append(("the GPU's share of it", *(_gpu_share(lines) for lines in bills)))
    return table(("US dollars a month", *(load.name for load in months)), rows)


def _at_least(known: float, missing: tuple[str, ...]) -> str:
    return f"{known:,.0f}" if not missing else f"{known:,.0f} and what is unknown"


def _a_minute(lines: tuple[Line, ...], load: Load) -> str:
    known, missing = known_total(lines)
    return UNKNOWN if missing or not load.call_minutes else f"**{cents(known / load.call_minutes)}**"


def _gpu_share(lines: tuple[Line, ...]) -> str:
    known, missing = known_total(lines)
    gpu = next(line.usd for line in lines if line.name == GPU_LINE)
    return UNKNOWN if missing or gpu is None else f"{gpu / known * 100:.0f} %"


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _engines(results: Results, prices: PriceList) -> str:
    case = results.case(100)
    four = case.variants[FOUR_PROCESSES].gpu_minutes_per_call_minute
    dialogue = dialogue_minute(prices)
    rows = [
        (f"PersonaPlex, {name}, two processes a GPU", cents(gpu_minute(name, case.figures.gpu_minutes_per_call_minute, prices)))
        for name in ("g6e.xlarge", "g6e.2xlarge")
    ]
    rows += [
        (f"PersonaPlex, {BIG_INSTANCE}, four processes a GPU", cents(gpu_minute(BIG_INSTANCE, four, prices))),
        (f"Cascade on Fargate, half used: processors {cents(cascade_minute(CASCADE_UTILISATION, prices))}, Gemini's text {cents(dialogue)}",
         cents(_sum(cascade_minute(CASCADE_UTILISATION, prices), dialogue))),
        ("Hosted full-duplex model (gemini-3.8-live)", cents(live_minute(prices))),
    ]  # fmt: skip
    return table(("engine, at 100 calls at the peak", "a call-minute"), rows)


def _prices(prices: PriceList) -> str:
    rows = [
        (f"`{name}`", UNKNOWN if one.usd is None else f"{one.usd:.10f}".rstrip("0").rstrip("."), one.unit, one.confidence, one.note)
        for name, one in prices.prices.items()
    ]
    return table(("price", "US dollars", "for one", "confidence", "what"), rows)


def _usage(use: Usage) -> str:
    return table(("each", "assumed"), [(f"`{one.name}`", str(getattr(use, one.name))) for one in fields(use)])


def cost_page(results: Results, prices: PriceList) -> str:
    """The whole page."""
    use = Usage(instance_type=results.instance_type)
    months = loads(results)
    memory = sum(one.confidence == "memory" for one in prices.prices.values())
    default = results.case(DEFAULT_PEAK)
    values = {
        "region": prices.region,
        "dated": prices.dated,
        "from_memory": memory,
        "all_prices": len(prices.prices),
        "idle_gpus": default.chosen.tasks_min,
        "default_peak": DEFAULT_PEAK,
        "one_gpu": dollars(gpu_minute(use.instance_type, 730 * 60, prices)),
        "bills": _bills(months, prices, use),
        "tasks_a_fleet": TASKS_A_FLEET,
        "recordings_kept": f"{use.recordings_kept_months:g}",
        "sessions_kept": f"{use.sessions_kept_months:g}",
        "recording_kbit_s": f"{use.recording_kbit_s:g}",
        "engines": _engines(results, prices),
        "usage": _usage(use),
        "prices": _prices(prices),
    }
    return filled("cost.md", values)
