"""What a month costs, line by line, from how much is called, how much GPU that takes, and what one call sets in motion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from infra.capacity.prices import Amount, PriceList

HOURS = 730.0
SECONDS = HOURS * 3_600
KB, MB, GB = 1e-6, 1e-3, 1.0
"""Parts of a GB, in which AWS charges."""


@dataclass(frozen=True, slots=True)
class Load:
    """One month of one deployment. ``gpu_hours`` and ``mean_tasks`` come from the capacity model."""

    name: str
    calls: float
    call_minutes: float
    gpu_hours: float
    mean_tasks: float
    most_tasks: int
    warm_pool: int

    @property
    def fleets(self) -> int:
        """Fleets (partitions of the ledger) that the tasks are spread over."""
        return max(1, math.ceil(self.most_tasks / TASKS_A_FLEET))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill; ``usd`` None: a price in it is not known."""

    name: str
    usd: float | None
    of: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call, one task and one deployment use. Units of DynamoDB are those of docs/dynamodb.md; the rest is assumed.

    Audio is Opus of 32 kbit/s each way, with packet heads (our encoder's rate). A recording is stereo Opus of changing rate:
    2.6 to 5 KB a second were measured on calls of ours; what is assumed is the upper end.
    """

    instance_type: str = "g6e.xlarge"
    volume_gb: float = 120.0
    audio_kbit_s: float = 40.0
    recording_kbit_s: float = 40.0
    recordings_kept_months: float = 1.0
    sessions_kept_months: float = 12.0
    session_kb: float = 12.0
    call_write_units: float = 120.0
    call_read_units: float = 80.0
    rest_requests_a_call: float = 6.0
    request_read_units: float = 4.0
    function_s: float = 0.1
    function_gb: float = 1.0
    reading_s: float = 8.0
    reading_tokens_in: float = 3_000.0
    reading_tokens_out: float = 500.0
    log_kb_a_call: float = 20.0
    log_mb_a_task_hour: float = 2.0
    queries_a_day: float = 50.0
    zones: int = 2
    endpoints: int = 6
    metrics: int = 60
    alarms: int = 20
    waf_rules: int = 5


TASKS_A_FLEET = 250
"""One fleet is one partition, which gives 3,000 read units a second; each task reads the list of all of them with each heartbeat."""

HEARTBEAT_S = 1.0
PROCESS_BYTES = 180
READ_UNIT_BYTES = 4_096


def heartbeat_reads(tasks: float) -> float:
    """Read units of one heartbeat in a fleet of so many tasks: the list of all of them, and the task's own slots."""
    return max(1.0, math.ceil(tasks * PROCESS_BYTES / READ_UNIT_BYTES)) + 1.0


def media_gb(load: Load, kbit_s: float) -> float:
    """So many kilobit a second over all call-minutes, in GB."""
    return load.call_minutes * 60 * kbit_s / 8 * KB


def gpu(load: Load, use: Usage) -> list[Amount]:
    return [Amount(use.instance_type, load.gpu_hours, "hour")]


def volumes(load: Load, use: Usage) -> list[Amount]:
    months = load.gpu_hours / HOURS + load.warm_pool
    return [Amount("ebs-gp3", months * use.volume_gb, "GB-month")]


def balancer(load: Load, use: Usage) -> list[Amount]:
    """Audio both ways; a capacity unit carries 1 GB an hour, which audio reaches long before connections count."""
    units = max(1.0, media_gb(load, 2 * use.audio_kbit_s) / HOURS)
    return [Amount("alb", HOURS, "hour"), Amount("alb-lcu", units * HOURS, "hour"), Amount("public-ipv4", use.zones * HOURS, "hour")]


def network(load: Load, use: Usage) -> list[Amount]:
    """Gateways and endpoints stand in each zone; what goes through them is logs, keys and the language model's text."""
    logs_gb = load.calls * use.log_kb_a_call * KB + load.gpu_hours * use.log_mb_a_task_hour * MB
    return [
        Amount("nat", use.zones * HOURS, "hour"),
        Amount("nat-data", load.calls * 100 * KB, "GB"),
        Amount("public-ipv4", use.zones * HOURS, "hour"),
        Amount("endpoint", use.endpoints * use.zones * HOURS, "hour"),
        Amount("endpoint-data", logs_gb, "GB"),
    ]


def transfer(load: Load, use: Usage) -> list[Amount]:
    """The agent's voice to callers, and half of all audio from the load balancer to a task in another zone."""
    return [
        Amount("transfer-out", media_gb(load, use.audio_kbit_s), "GB"),
        Amount("transfer-zone", media_gb(load, 2 * use.audio_kbit_s) / use.zones, "GB"),
    ]


def table(load: Load, use: Usage) -> list[Amount]:
    beats = load.mean_tasks * SECONDS / HEARTBEAT_S
    reads = load.calls * (use.call_read_units + use.rest_requests_a_call * use.request_read_units)
    stored_gb = load.calls * 3 * KB * use.sessions_kept_months
    return [
        Amount("dynamodb-write", (load.calls * use.call_write_units + beats) / 1e6, "million"),
        Amount("dynamodb-read", (reads + beats * heartbeat_reads(load.mean_tasks / load.fleets)) / 1e6, "million"),
        Amount("dynamodb-storage", stored_gb, "GB-month"),
        Amount("dynamodb-pitr", stored_gb, "GB-month"),
    ]


def archive(load: Load, use: Usage) -> list[Amount]:
    return [
        Amount("s3-put", load.calls * 5 / 1e3, "thousand"),
        Amount("s3-get", load.calls * 2 / 1e3, "thousand"),
        Amount("s3-storage", load.calls * 2 * use.session_kb * KB * use.sessions_kept_months, "GB-month"),
    ]


def recordings(load: Load, use: Usage) -> list[Amount]:
    return [
        Amount("s3-put", load.calls / 1e3, "thousand"),
        Amount("s3-storage", media_gb(load, use.recording_kbit_s) * use.recordings_kept_months, "GB-month"),
    ]


def functions(load: Load, use: Usage) -> list[Amount]:
    """Requests with an authorizer for half of them, the reading after each call, and two functions every minute."""
    requests = load.calls * use.rest_requests_a_call * 1.5
    ticks = 2 * HOURS * 60
    gb_s = use.function_gb * ((requests + ticks) * use.function_s + load.calls * use.reading_s)
    return [
        Amount("lambda-request", (requests + ticks + load.calls) / 1e6, "million"),
        Amount("lambda-time", gb_s, "GB-second"),
        Amount("lambda-snapshot", 2 * use.function_gb * SECONDS, "GB-second"),
    ]


def rest(load: Load, use: Usage) -> list[Amount]:
    return [
        Amount("api-request", load.calls * use.rest_requests_a_call / 1e6, "million"),
        Amount("sqs-request", (load.calls * 3 + HOURS * 3_600 / 20 * 5) / 1e6, "million"),
    ]


def firehose(load: Load, use: Usage) -> list[Amount]:
    """A row a call, counted as 5 KB; an object every two minutes in which a tenant has calls, as if each were alone in its own."""
    gb = load.calls * 5 * KB
    return [
        *(Amount(of, gb, "GB") for of in ("firehose-ingest", "firehose-conversion", "firehose-partition")),
        Amount("firehose-object", load.calls / 1e3, "thousand"),
        Amount("s3-put", load.calls / 1e3, "thousand"),
    ]


def athena(load: Load, use: Usage) -> list[Amount]:
    """Each query reads a month of rows, 1 KB each as Parquet, and is charged for 10 MB at least."""
    read_tb = max(10 * MB, load.calls * 1 * KB) / 1e3
    return [Amount("athena-scan", use.queries_a_day * HOURS / 24 * read_tb, "TB")]


def watch(load: Load, use: Usage) -> list[Amount]:
    logs_gb = load.calls * use.log_kb_a_call * KB + load.gpu_hours * use.log_mb_a_task_hour * MB
    return [
        Amount("logs-ingest", logs_gb, "GB"),
        Amount("metric", use.metrics, "month"),
        Amount("alarm", use.alarms, "month"),
        Amount("alarm-fast", 1, "month"),
        Amount("dashboard", 1, "month"),
    ]


def keys(load: Load, use: Usage) -> list[Amount]:
    return [
        Amount("kms-key", 1, "month"),
        Amount("kms-request", load.calls * 8 / 1e4, "ten-thousand"),
        Amount("secret", 5, "month"),
    ]


def front(load: Load, use: Usage) -> list[Amount]:
    requests = load.calls * use.rest_requests_a_call
    return [
        Amount("waf-acl", 1, "month"),
        Amount("waf-rule", use.waf_rules, "month"),
        Amount("waf-request", requests / 1e6, "million"),
        Amount("cloudfront-request", requests / 1e6, "million"),
        Amount("cloudfront-data", requests * 5 * KB, "GB"),
    ]


def reading(load: Load, use: Usage) -> list[Amount]:
    return [
        Amount("gemini-input", load.calls * use.reading_tokens_in / 1e6, "million"),
        Amount("gemini-output", load.calls * use.reading_tokens_out / 1e6, "million"),
    ]


LINES: tuple[tuple[str, Callable[[Load, Usage], list[Amount]]], ...] = (
    ("GPU instances", gpu),
    ("Volumes of GPU hosts and of the warm pool", volumes),
    ("Load balancer", balancer),
    ("NAT gateways and endpoints", network),
    ("Data transfer", transfer),
    ("DynamoDB", table),
    ("S3: archive", archive),
    ("S3: recordings", recordings),
    ("Lambda", functions),
    ("API Gateway and SQS", rest),
    ("Firehose", firehose),
    ("Athena", athena),
    ("CloudWatch", watch),
    ("KMS and Secrets Manager", keys),
    ("CloudFront and WAF", front),
    ("Gemini reads each call once (leads)", reading),
)


def bill(load: Load, prices: PriceList, use: Usage) -> tuple[Line, ...]:
    """All lines of one month."""
    lines = []
    for name, amounts_of in LINES:
        amounts = amounts_of(load, use)
        lines.append(Line(name, prices.total(amounts), ", ".join(dict.fromkeys(one.of for one in amounts))))
    return tuple(lines)


def known_total(lines: tuple[Line, ...]) -> tuple[float, tuple[str, ...]]:
    """The sum of what is known, and the names of the lines that are not in it."""
    return sum(line.usd for line in lines if line.usd is not None), tuple(line.name for line in lines if line.usd is None)


# --- one call-minute, engine by engine -----------------------------------------------------------------------------------------------


def gpu_minute(instance_type: str, gpu_minutes_per_call_minute: float, prices: PriceList) -> float | None:
    """The GPU's part of one minute of a call."""
    return prices.total([Amount(instance_type, gpu_minutes_per_call_minute / 60, "hour")])


def cascade_minute(utilisation: float, prices: PriceList, *, vcpus: float = 1.0, memory_gb: float = 2.0) -> float | None:
    """One minute of a call whose speech models run on processors (Fargate): two cores carry two to three calls (docs/operations.md)."""
    hours = 1 / 60 / utilisation
    return prices.total([Amount("fargate-vcpu", vcpus * hours, "hour"), Amount("fargate-memory", memory_gb * hours, "GB-hour")])


def dialogue_minute(prices: PriceList, *, turns: float = 4.0, tokens_in: float = 2_500.0, tokens_out: float = 60.0) -> float | None:
    """A minute of dialogue by a text model that is sent the whole conversation at each turn."""
    return prices.total(
        [Amount("gemini-input", turns * tokens_in / 1e6, "million"), Amount("gemini-output", turns * tokens_out / 1e6, "million")]
    )


def live_minute(prices: PriceList) -> float | None:
    """A minute of a hosted full-duplex model."""
    return prices.total([Amount("gemini-live-minute", 1, "minute")])
