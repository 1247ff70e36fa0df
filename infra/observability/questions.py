"""Saved questions to the logs (CloudWatch Logs Insights), by name. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """``media``, ``functions``, ``access``: whose logs it is asked of."""

    name: str
    text: str
    media: bool = False
    functions: bool = False
    access: bool = False


QUESTIONS = (
    Question(
        "one call across both planes (put its id in)",
        'fields @timestamp, @log, level, message\n| filter call = "call_..." or call_id = "call_..."\n| sort @timestamp asc\n| limit 1000',
        media=True,
        functions=True,
    ),
    Question(
        "one request (put its id in)",
        'fields @timestamp, @log, level, message\n| filter request_id = "..."\n| sort @timestamp asc',
        functions=True,
        access=True,
    ),
    Question(
        "calls that we dropped",
        "fields @timestamp, tenant_id, call_id, end_reason, engine, process_id\n"
        '| filter end_reason in ["lost", "draining_forced", "internal_error"]\n| sort @timestamp desc',
        media=True,
    ),
    Question(
        "ends of calls by tenant and reason",
        "filter ispresent(end_reason) and ispresent(CallSeconds)\n"
        "| stats count() as calls, avg(CallSeconds) as seconds by tenant_id, end_reason\n| sort calls desc",
        media=True,
    ),
    Question(
        "sockets refused, by code",
        "filter Refused > 0 and ispresent(Code)\n| stats sum(Refused) as refused by Code, bin(5m)\n| sort refused desc",
        media=True,
    ),
    Question(
        "processes whose event loop was late",
        "filter EventLoopLagMs > 20\n| stats max(EventLoopLagMaxMs) as worst_ms, max(CallsLive) as calls by process_id, bin(1m)\n"
        "| sort worst_ms desc",
        media=True,
    ),
    Question(
        "errors and warnings by place",
        'filter level in ["ERROR", "WARNING"]\n| stats count() as lines, latest(message) as last by location, service, logger\n'
        "| sort lines desc",
        media=True,
        functions=True,
    ),
    Question(
        "slowest routes of the API",
        "stats count() as requests, pct(took_ms, 50) as p50, pct(took_ms, 99) as p99 by route\n| sort p99 desc",
        access=True,
    ),
    Question(
        "faults of the API by route",
        "filter status >= 500\n| stats count() as faults by route, status, tenant\n| sort faults desc",
        access=True,
    ),
    Question(
        "cold starts",
        "filter ispresent(ColdStart)\n| stats count() as starts by service, bin(1h)\n| sort starts desc",
        functions=True,
    ),
)
