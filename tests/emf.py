"""Reads lines of CloudWatch's embedded metric format as strictly as CloudWatch, and more: what it would silently leave out is an error.

**Source:** Amazon CloudWatch user guide, "Specification: Embedded metric format" and its JSON schema.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from typing import Any

from nexus.domain.metrics import METRICS, NAMESPACE

_UNITS = {"Count", "Percent", "Milliseconds", "Seconds", "Bytes", "None"}
_MOST_BYTES = 256 * 1024
_DAY_MS = 86_400_000
_BOUNDED = {"Fleet", *(one.by for one in METRICS if one.by)}


@dataclass(frozen=True, slots=True)
class Point:
    """One number of one metric under one set of dimensions."""

    name: str
    value: float
    dimensions: tuple[tuple[str, str], ...]
    properties: dict[str, Any]

    def under(self, **dimensions: str) -> bool:
        """Whether it was given under exactly these, beside the fleet."""
        return {name: value for name, value in self.dimensions if name != "Fleet"} == dimensions


def read(text: str) -> list[Point]:
    """Every number in the lines; raises AssertionError for a line that CloudWatch would not take whole."""
    assert text == "" or text.endswith("\n"), "a line is whole"
    return [point for line in text.splitlines() for point in _points(line)]


def total(points: Iterable[Point], name: str, **dimensions: str) -> float:
    """The sum that CloudWatch would show."""
    return sum(point.value for point in points if point.name == name and point.under(**dimensions))


def _points(line: str) -> list[Point]:
    assert len(line.encode()) <= _MOST_BYTES
    told = json.loads(line, parse_constant=_no_constant, object_pairs_hook=_once)
    assert isinstance(told, dict), "a line is an object"
    meta = told["_aws"]
    assert meta.keys() == {"Timestamp", "CloudWatchMetrics"}
    assert type(meta["Timestamp"]) is int, "milliseconds as a whole number"
    assert abs(meta["Timestamp"] - time.time() * 1000) < _DAY_MS, "CloudWatch takes two weeks back and two hours ahead"
    assert meta["CloudWatchMetrics"], "a line that gives no metric is none of this format"
    properties = {name: value for name, value in told.items() if name != "_aws"}
    return [point for directive in meta["CloudWatchMetrics"] for point in _directed(directive, properties)]


def _directed(directive: dict[str, Any], told: dict[str, Any]) -> Iterable[Point]:
    assert directive.keys() == {"Namespace", "Dimensions", "Metrics"}
    assert directive["Namespace"] == NAMESPACE
    assert 1 <= len(directive["Metrics"]) <= 100
    assert directive["Dimensions"], "without a set of dimensions nothing is made"
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert max(Counter(names).values()) == 1, names
    for dimensions in directive["Dimensions"]:
        assert 1 <= len(dimensions) <= 30 and len(set(dimensions)) == len(dimensions)
        assert set(dimensions) <= _BOUNDED, f"no bounded dimension: {dimensions}"
        for name in dimensions:
            assert isinstance(told[name], str) and 1 <= len(told[name]) <= 1024 and told[name].isascii(), (name, told[name])
        under = tuple((name, told[name]) for name in dimensions)
        for metric in directive["Metrics"]:
            yield from (Point(metric["Name"], value, under, told) for value in _values(metric, told))


def _values(metric: dict[str, Any], told: dict[str, Any]) -> list[float]:
    assert metric.keys() == {"Name", "Unit", "StorageResolution"}
    assert 1 <= len(metric["Name"]) <= 1024 and metric["Unit"] in _UNITS and metric["StorageResolution"] in (1, 60)
    (known,) = [one for one in METRICS if one.name == metric["Name"]]
    assert (known.unit, known.resolution_s) == (metric["Unit"], metric["StorageResolution"])
    value = told[metric["Name"]]
    values = value if isinstance(value, list) else [value]
    assert 1 <= len(values) <= 100, "a metric has at most a hundred values in a line"
    assert all(type(one) in (int, float) and isfinite(one) for one in values), values
    return [float(one) for one in values]


def _no_constant(name: str) -> float:
    raise AssertionError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert max(Counter(name for name, _ in pairs).values(), default=1) == 1, f"a member stands twice: {[name for name, _ in pairs]}"
    return dict(pairs)
