"""``nexus canary``: one test call by a caller that is no person, as the function in AWS places them."""

from __future__ import annotations

from rich.console import Console

from nexus.adapters.canary import Errand, try_call

__all__ = ["Errand", "canary"]


async def canary(errand: Errand, console: Console) -> int:
    """0 when it was answered in time and left a record."""
    outcome = await try_call(errand)
    if outcome.call_id:
        console.print(f"[dim]{outcome.call_id}[/dim]")
    if not outcome.well:
        console.print(f"[red]✗[/red] failed at {outcome.failed}: {outcome.why}", highlight=False, soft_wrap=True)
        return 1
    answer_s, record_s = (outcome.answer_ms or 0.0) / 1000, (outcome.record_ms or 0.0) / 1000
    console.print(f"[green]✓[/green] answered after {answer_s:.2f} s, on record {record_s:.1f} s after hanging up", highlight=False)
    return 0
