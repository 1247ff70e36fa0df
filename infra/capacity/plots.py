"""The pictures of docs/capacity.md: one day of each load, and what refusals cost to avoid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from infra.capacity.model import Point
from infra.capacity.sweep import REFUSAL_GOAL, Tried

CALLS, SLOTS, MUTED, GOAL = "#1f6feb", "#d29922", "#8b949e", "#cf222e"
EVERY = 10
"""Minutes between two points of a line."""

FEWEST = 1e-5
"""Where 'none at all' stands on the logarithmic axis."""


def draw_days(days: Mapping[int, Sequence[Point]], path: Path) -> None:
    """Calls at once and slots over the first day of each load."""
    figure = Figure(figsize=(9, 2.6 * len(days)), layout="constrained")
    for row, (peak, points) in enumerate(days.items(), start=1):
        axes = figure.add_subplot(len(days), 1, row)
        shown = [one for one in points if one.at_s <= 86_400][::EVERY]
        hours = [one.at_s / 3_600 for one in shown]
        axes.step(hours, [one.slots for one in shown], where="post", color=SLOTS, linewidth=1.2, label="slots ready")
        axes.fill_between(hours, [one.busy for one in shown], step="post", color=CALLS, alpha=0.75, linewidth=0, label="calls")
        axes.set(xlim=(0, 24), ylim=(0, None), xticks=range(0, 25, 3), ylabel="at once", title=f"{peak:,} calls at once at the peak")
        axes.grid(color=MUTED, alpha=0.25)
        axes.legend(loc="upper left", frameon=False)
    figure.get_axes()[-1].set_xlabel("hour of the day")
    _save(figure, path)


def draw_choices(choices: Mapping[int, tuple[Sequence[Tried], Tried]], path: Path) -> None:
    """Every setting that was tried: cost against refusals; the chosen one is ringed."""
    figure = Figure(figsize=(3.2 * len(choices), 3.4), layout="constrained")
    for column, (peak, (tried, best)) in enumerate(choices.items(), start=1):
        axes = figure.add_subplot(1, len(choices), column)
        for with_pool, colour, label in ((False, SLOTS, "no warm pool"), (True, CALLS, "warm pool")):
            some = [one for one in tried if (one.scaling.warm_pool_size > 0) is with_pool]
            axes.scatter(
                [one.usd_a_month / 1e3 for one in some], [max(FEWEST, one.refusal_rate) for one in some], s=14, color=colour, label=label
            )
        axes.scatter(
            [best.usd_a_month / 1e3],
            [max(FEWEST, best.refusal_rate)],
            s=110,
            facecolors="none",
            edgecolors=GOAL,
            linewidths=1.6,
            label="chosen",
        )
        axes.axhline(REFUSAL_GOAL, color=GOAL, linewidth=0.8, linestyle="--")
        axes.set(yscale="log", title=f"{peak:,} at once", xlabel="thousand dollars a month")
        axes.grid(color=MUTED, alpha=0.25)
    figure.get_axes()[0].set_ylabel("part of callers refused at first")
    figure.get_axes()[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    """The same picture gives the same bytes."""
    with matplotlib.rc_context({"svg.hashsalt": path.stem, "svg.fonttype": "none", "path.simplify_threshold": 0.5}):
        figure.savefig(path, metadata={"Date": None})
