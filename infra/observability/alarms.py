"""Every alarm as a row: what is measured, when it goes off, and where its runbook stands. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from infra.names import title

Source = Literal["media", "function", "lambda", "calls", "dead_letters", "undelivered", "api", "table", "stream", "door", "canary"]
MEDIA_NAMESPACE = "Nexus/Media"
FUNCTION_NAMESPACE = "Nexus"
CANARY_NAMESPACE = "Nexus/Canary"
FUNCTIONS = ("api", "authorizer", "after_call", "webhooks", "jobs", "expire")


@dataclass(frozen=True, slots=True)
class Alarm:
    """One row.

    Attributes:
        id: in CloudFormation, and as words the anchor of its runbook (``CallsDropped``: docs/operations.md#calls-dropped).
        meaning: what is wrong, in a sentence.
        source: whose metric; it says namespace and dimensions. ``function`` is what a function of ours counts itself, ``lambda`` what
            AWS counts of it.
        of: which function.
        above: it goes off above this; below it, where ``below`` says so.
        within: in how many of how many last periods.
        silence: whether no figure at all is as bad.
    """

    id: str
    meaning: str
    source: Source
    metric: str
    statistic: str
    above: float
    of: str = ""
    below: bool = False
    period_s: int = 60
    within: tuple[int, int] = (1, 1)
    silence: bool = False

    @property
    def anchor(self) -> str:
        """Of its runbook. One runbook serves every function."""
        words = self.id.removesuffix("Of" + title(self.of)) if self.of else self.id
        return re.sub(r"(?<!^)(?=[A-Z])", "-", words).lower()


CALLS = (
    Alarm("CallsDropped", "Connected calls were ended by us, against everybody's will.", "media", "CallsDroppedByUs", "Sum", 0),
    Alarm("NoFreeSlot", "No media process can take a call.", "media", "SlotsFree", "Maximum", 1, below=True, within=(3, 3)),
    Alarm("CallersRefused", "Callers with a ticket were refused at the door.", "media", "Refused", "Sum", 10, period_s=300),
    Alarm(
        "ZombieLeases",
        "Calls of dead processes hold their slots: nobody records them.",
        "media",
        "CallsOrphaned",
        "Maximum",
        0,
        within=(5, 5),
    ),
    Alarm("SlowAnswers", "Callers wait for answers.", "media", "TurnLatencyMs", "p95", 3000, period_s=300, within=(3, 3)),
    Alarm("BrokenVoice", "The agent's voice has gaps.", "media", "AudioUnderruns", "Average", 2, period_s=300, within=(3, 3)),
)
PROCESSES = (
    Alarm("EngineLag", "The GPU does not keep up with its callers.", "media", "EngineLagMs", "Maximum", 500, within=(3, 5)),
    Alarm(
        "EventLoopLag", "A media process has more to do than its processor can.", "media", "EventLoopLagMs", "Maximum", 50, within=(3, 5)
    ),
    Alarm("HeartbeatsFail", "Media processes cannot reach the ledger.", "media", "HeartbeatFailures", "Sum", 3, within=(2, 3)),
    Alarm(
        "ProtectionFails",
        "Tasks with calls may be stopped: ECS does not protect them.",
        "media",
        "ProtectionFailures",
        "Sum",
        0,
        within=(2, 3),
    ),
    Alarm("UnhealthyTasks", "The load balancer finds media tasks not ready.", "door", "UnHealthyHostCount", "Maximum", 0, within=(15, 15)),
)
MEDIA_SILENT = Alarm(
    "MediaSilent", "No media process gives figures.", "media", "SlotsTotal", "Sum", 1, below=True, within=(5, 5), silence=True
)
"""Only where at least one task is to run."""
AFTER_CALLS = (
    Alarm("DeadLetters", "Finished calls were given up.", "dead_letters", "ApproximateNumberOfMessagesVisible", "Maximum", 0),
    Alarm(
        "UndeliveredEvents", "Archived sessions did not reach the queue.", "undelivered", "ApproximateNumberOfMessagesVisible", "Maximum", 0
    ),
    Alarm("CallsWait", "Finished calls wait to be read.", "calls", "ApproximateAgeOfOldestMessage", "Maximum", 900, within=(5, 5)),
    Alarm(
        "StaleAnalytics",
        "Rows of finished calls do not reach the lake.",
        "stream",
        "DeliveryToS3.DataFreshness",
        "Maximum",
        900,
        period_s=300,
    ),
    Alarm("RowsNotConverted", "Rows could not become Parquet.", "stream", "FailedConversion.Records", "Sum", 0, period_s=300),
    Alarm(
        "WebhooksFail",
        "Tenants' servers do not take their events.",
        "function",
        "TenantsNotDelivered",
        "Minimum",
        0,
        of="webhooks",
        within=(60, 60),
    ),
    Alarm("JobsStuck", "A deletion does not end.", "function", "OpenJobs", "Minimum", 0, of="jobs", period_s=3600, within=(6, 6)),
)
API = (
    Alarm("ApiFaults", "The API answers with faults.", "api", "5xx", "Sum", 5, period_s=300),
    Alarm("ApiSlow", "The API is slow.", "api", "Latency", "p99", 3000, period_s=300, within=(3, 3)),
    Alarm("CredentialsTried", "Many wrong credentials are shown.", "function", "TurnedAway", "Sum", 500, of="authorizer", period_s=300),
    Alarm("TableThrottles", "DynamoDB refuses reads: a key is too hot.", "table", "ReadThrottleEvents", "Sum", 0, within=(3, 5)),
    Alarm("TableWritesThrottle", "DynamoDB refuses writes: a key is too hot.", "table", "WriteThrottleEvents", "Sum", 0, within=(3, 5)),
)
OF_FUNCTIONS = tuple(
    alarm
    for name in FUNCTIONS
    for alarm in (
        Alarm(f"FunctionErrorsOf{title(name)}", f"The function {name} breaks.", "lambda", "Errors", "Sum", 2, of=name, period_s=300),
        Alarm(
            f"FunctionThrottledOf{title(name)}",
            f"The function {name} is not started.",
            "lambda",
            "Throttles",
            "Sum",
            0,
            of=name,
            within=(2, 5),
        ),
    )
)


def canary(minutes: int) -> tuple[Alarm, ...]:
    """Alarms of the test call. ``minutes``: how often it is placed."""
    period_s = max(60, minutes * 60)
    return (
        Alarm(
            "CanaryFails", "Test calls fail.", "canary", "Success", "Minimum", 1, below=True, period_s=period_s, within=(2, 2), silence=True
        ),
        Alarm("CanarySlow", "Test calls wait for their answer.", "canary", "AnswerMs", "Average", 5000, period_s=period_s, within=(3, 3)),
    )


def every(canary_minutes: int = 5) -> tuple[Alarm, ...]:
    """All that there may be."""
    return (*CALLS, *PROCESSES, MEDIA_SILENT, *AFTER_CALLS, *API, *OF_FUNCTIONS, *canary(canary_minutes))
