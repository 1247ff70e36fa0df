"""The figures that a media process gives: their names, units and dimensions in one table, and a sample of them as a value.

``python -m nexus.domain.metrics`` writes docs/metrics.md from the table.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

NAMESPACE = "Nexus/Media"
FLEET = "Fleet"
"""The dimension that every sample has."""
Unit = Literal["Count", "Percent", "Milliseconds", "Seconds"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure.

    Attributes:
        by: the dimension beside the fleet under which it is given a second time; a closed list of values, never a tenant or a call.
        resolution_s: how finely it is kept: 1 for what is given every ten seconds, 60 for what is given once a call.
        read_as: the statistic to look at.
    """

    name: str
    unit: Unit
    meaning: str
    read_as: str
    by: str = ""
    resolution_s: Literal[1, 60] = 1


METRICS: tuple[Metric, ...] = (
    Metric("SlotsTotal", "Count", "calls that the process can carry now; 0 while it drains", "Sum over tasks: at a 10 s period"),
    Metric("SlotsBusy", "Count", "calls that live in the process, and leases whose callers have not come yet", "Sum over tasks"),
    Metric("SlotsFree", "Count", "total less busy, never below 0", "Sum over tasks; the floor of free slots"),
    Metric("SlotUtilisation", "Percent", "busy of total; not given while the process drains or has no slot", "Average: target tracking"),
    Metric("CallsLive", "Count", "calls that live in the process, also while it drains", "Sum over tasks"),
    Metric("SocketsRelayed", "Count", "sockets that the process passes on to others", "Sum over tasks"),
    Metric(
        "CallsOrphaned",
        "Count",
        "calls of dead processes that the ledger asks to be recorded; more than a minute of them is a fault",
        "Maximum",
    ),
    Metric("EventLoopLagMs", "Milliseconds", "99th percentile of how late the event loop woke within the ten seconds", "Maximum"),
    Metric("EventLoopLagMaxMs", "Milliseconds", "the latest waking within the ten seconds", "Maximum"),
    Metric(
        "EngineLagMs",
        "Milliseconds",
        "how far a full-duplex model was behind its caller at worst within the ten seconds; only while one is in use",
        "Maximum",
    ),
    Metric("CallsStarted", "Count", "callers let in", "Sum"),
    Metric(
        "CallsDroppedByUs",
        "Count",
        "connected calls that the platform ended against everybody's will: `draining_forced` (the drain's limit), `lost` (their process "
        "died; counted by the one that records them), `internal_error`, and relayed sockets cut at the drain's limit",
        "Sum: an alarm above 0",
    ),
    Metric("Refused", "Count", "sockets refused before the upgrade", "Sum", by="Code"),
    Metric("ProtectionFailures", "Count", "wishes for scale-in protection that the ECS agent did not grant", "Sum"),
    Metric(
        "HeartbeatFailures", "Count", "heartbeats that the ledger did not take; ten seconds of them and the process counts as dead", "Sum"
    ),
    Metric("CallsEnded", "Count", "calls recorded and given back", "Sum", by="EndReason", resolution_s=60),
    Metric("CallSeconds", "Seconds", "from connection to end", "Sum; Average", resolution_s=60),
    Metric(
        "TurnLatencyMs", "Milliseconds", "from the caller's last word to the agent's first sound, each answer", "p50, p95", resolution_s=60
    ),
    Metric(
        "AudioUnderruns", "Count", "gaps in the agent's voice of a call: the engine's audio came too late", "Sum; Average", resolution_s=60
    ),
    Metric(
        "CallsWithErrors",
        "Count",
        "calls whose record holds a fault; by code: with at least one of it",
        "Sum",
        by="ErrorCode",
        resolution_s=60,
    ),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures of one moment.

    Attributes:
        values: by metric; several numbers where each of them counts.
        by: the second dimension's value; empty: the sample is of the fleet as a whole.
        properties: for queries over the log, beside the figures: here tenants and calls may stand.
    """

    at: datetime
    values: Mapping[str, float | tuple[float, ...]]
    by: str = ""
    properties: Mapping[str, str | float | bool] = field(default_factory=dict)


def document() -> str:
    """docs/metrics.md."""
    head = f"""# Figures of the media plane

Written by `python -m nexus.domain.metrics`. `METRICS=emf` writes them to stdout in CloudWatch's embedded metric format, one JSON object
a line, namespace `{NAMESPACE}`: CloudWatch Logs makes metrics of them, whatever driver brings the lines there. Without AWS any reader of
JSON lines does. The default, `METRICS=none`, writes nothing and watches nothing.

Every metric has the dimension `{FLEET}` (`AWS_FLEET`). Where the table names a second one it is given again under both, in lines of its
own, so that sums over the fleet count nothing twice. Tenants and calls are no dimensions (each value would be a metric that is paid for)
but properties: the lines of a call's end hold `tenant_id`, `call_id`, `end_reason`, `engine` and `process_id` for queries over the log.

What has a resolution of 1 s is given every ten seconds, the rest when a call ends (in the lines of the next ten seconds). Figures of a
call stand in its record too ([api.md](api.md)): the counters are for alarms, the records are the truth.

| metric | unit | second dimension | resolution | look at | what it counts |
|---|---|---|--:|---|---|
"""
    rows = (f"| `{one.name}` | {one.unit} | {one.by or '–'} | {one.resolution_s} s | {one.read_as} | {one.meaning} |" for one in METRICS)
    return head + "\n".join(rows) + "\n"


if __name__ == "__main__":
    (Path(sys.argv[1] if len(sys.argv) > 1 else "docs") / "metrics.md").write_text(document(), encoding="utf-8")
