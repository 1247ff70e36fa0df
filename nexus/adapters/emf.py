"""Samples as lines of CloudWatch's embedded metric format.

**Source:** Amazon CloudWatch user guide, "Specification: Embedded metric format".
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import TextIO

from nexus.domain.metrics import BY_NAME, FLEET, NAMESPACE, Sample

MOST_VALUES = 100
"""A metric may have so many values in one line."""


def lines(sample: Sample, fleet: str) -> Iterator[str]:
    """The sample as JSON, without the line's end: one line, more where a metric has more values than a line may hold."""
    values = {name: _numbers(value) for name, value in sample.values.items()}
    while values:
        yield _line(sample, {name: numbers[:MOST_VALUES] for name, numbers in values.items()}, fleet)
        values = {name: numbers[MOST_VALUES:] for name, numbers in values.items() if len(numbers) > MOST_VALUES}


def _numbers(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return tuple(number for number in (value if isinstance(value, tuple) else (value,)) if isfinite(number))


def _line(sample: Sample, values: Mapping[str, tuple[float, ...]], fleet: str) -> str:
    given = {name: numbers for name, numbers in values.items() if numbers}
    by = next((BY_NAME[name].by for name in given), "") if sample.by else ""
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[FLEET, by] if by else [FLEET]],
        "Metrics": [{"Name": name, "Unit": BY_NAME[name].unit, "StorageResolution": BY_NAME[name].resolution_s} for name in given],
    }
    told = {
        "_aws": {"Timestamp": int(sample.at.timestamp() * 1000), "CloudWatchMetrics": [directive] if given else []},
        **sample.properties,
        FLEET: fleet,
        **({by: sample.by} if by else {}),
        **{name: numbers[0] if len(numbers) == 1 else list(numbers) for name, numbers in given.items()},
    }
    return json.dumps(told, separators=(",", ":"))


class EmfSink:
    """Writes samples to standard output (``media_plane.server.meter.MetricSink``)."""

    def __init__(self, fleet: str, stream: TextIO | None = None) -> None:
        self._fleet = fleet
        self._stream = stream

    def write(self, samples: Iterable[Sample]) -> None:
        """All at once. It may wait for a slow reader, so it belongs into a thread. Raises OSError."""
        stream = self._stream or sys.stdout
        stream.write("".join(f"{line}\n" for sample in samples for line in lines(sample, self._fleet)))
        stream.flush()
