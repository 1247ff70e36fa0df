"""What a measurement gives: numbers summed up, tables, and the place in the document where a table stands. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One table. ``name`` names its place in the document; ``notes`` stand under it."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: a value that was really measured. ``share`` is in 0..1; ``values`` must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median and range as text: ``12 (10-15)``."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), percentile(values, 0.5), max(values)))
    return f"{middle} ({low}-{high})"


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much y grows for each step of x. Raises ValueError for fewer than two different x."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    width = sum((x - mean_x) ** 2 for x, _ in points)
    if width == 0:
        raise ValueError("a slope needs two different x")
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / width


def markdown(figure: Figure) -> str:
    """The table as the document has it."""
    lines = [f"**{figure.title}**", "", "| " + " | ".join(figure.columns) + " |", "|---" + "|---:" * (len(figure.columns) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in figure.rows]
    return "\n".join([*lines, *(f"\n{note}" for note in figure.notes)])


def placed(document: str, figure: Figure) -> str:
    """The document with the figure between its markers; what stood there goes, all else stays.

    Raises:
        ValueError: the document has no such markers.
    """
    begin, end = f"<!-- figure: {figure.name} -->", f"<!-- end: {figure.name} -->"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"docs/performance.md has no place for {figure.name}: write {begin} and {end}")
    return f"{before}{begin}\n{markdown(figure)}\n{end}{after}"
