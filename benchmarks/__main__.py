"""``python -m benchmarks [name ...]``: measure, show, and write docs/performance.md."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from benchmarks import barge_in, bridge_cost, false_claims, handlers, latency, personaplex, queryable, recording, start_up
from benchmarks.figures import Figure, placed
from benchmarks.machine import machine
from benchmarks.processes import load
from benchmarks.served import ROOT

_DOCUMENT = ROOT / "docs" / "performance.md"
_console = Console()
BENCHMARKS: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
    "latency": latency.measure,
    "barge_in": barge_in.measure,
    "bridge_cost": bridge_cost.measure,
    "recording": recording.measure,
    "start_up": start_up.measure,
    "personaplex": personaplex.measure,
    "false_claims": false_claims.measure,
    "handlers": handlers.measure,
    "queryable": queryable.measure,
}


def main() -> None:
    """Run the named benchmarks, or all (about twelve minutes)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure, and write docs/performance.md.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; all when left out")
    names = parser.parse_args().names or [*BENCHMARKS]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    asyncio.run(_run(names))


async def _run(names: list[str]) -> None:
    _write(machine())
    for name in names:
        began = time.monotonic()
        with _console.status(f"[bold]{name}[/bold] … ({load()})"):
            figures = await BENCHMARKS[name]()
        _console.print(f"[green]✓[/green] {name} [dim]{time.monotonic() - began:.0f} s[/dim]")
        for figure in figures:
            _show(figure)
            _write(figure)


def _show(figure: Figure) -> None:
    table = Table(*figure.columns, title=figure.title)
    for row in figure.rows:
        table.add_row(*row)
    _console.print(table)
    for note in figure.notes:
        _console.print(f"[dim]{note}[/dim]", highlight=False)


def _write(figure: Figure) -> None:
    _DOCUMENT.write_text(placed(_DOCUMENT.read_text(encoding="utf-8"), figure), encoding="utf-8")


if __name__ == "__main__":
    main()
