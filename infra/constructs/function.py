"""One Lambda function with a role and a log group of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.bundling import Bundle, platform_of
from infra.nag import LOCKED_RUNTIME, SNAPSHOT_PUBLISHED, TRACES, Reason, acknowledge
from infra.settings import StageSettings

LIVE = "live"
"""The alias that callers of a function use, where it starts from a snapshot."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """What a function is.

    Attributes:
        module: under ``control_plane.handlers``; its entry is ``handler``.
        bundle: the requirements that it needs (``requirements/<bundle>.txt``).
        may: what its role may do; nothing else.
        snapshot: whether somebody waits for its start.
        role: one that another stack has made for it; None: one is made.
    """

    module: str
    environment: Mapping[str, str]
    may: Sequence[iam.PolicyStatement] = ()
    bundle: str = "lambda"
    memory_mb: int = 512
    timeout_s: int = 30
    snapshot: bool = False
    role: iam.IRole | None = None
    reasons: Sequence[Reason] = field(default=())


class NexusFunction(Construct):
    """The function, in JSON logs and on arm64; ``target`` is what others invoke."""

    def __init__(self, scope: Construct, id: str, *, settings: StageSettings, spec: FunctionSpec) -> None:
        super().__init__(scope, id)
        platform = platform_of(settings)
        self.log_group = logs.LogGroup(self, "Logs", retention=retention(settings.log_retention_days), removal_policy=RemovalPolicy.DESTROY)
        self.role = self._role(spec)
        self.log_group.grant_write(self.role)
        for statement in spec.may:
            self.role.add_to_principal_policy(statement)
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"Nexus {settings.stage}: control_plane.handlers.{spec.module}",
            code=Bundle(spec.bundle, platform).code(),
            handler=f"control_plane.handlers.{spec.module}.handler",
            runtime=platform.runtime,
            architecture=platform.architecture,
            memory_size=spec.memory_mb,
            timeout=Duration.seconds(spec.timeout_s),
            environment=dict(spec.environment),
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            tracing=lambda_.Tracing.ACTIVE if settings.trace else lambda_.Tracing.DISABLED,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if self._snapshot(settings, spec) else None,
        )
        self.target: lambda_.IFunction = self._alias() if self._snapshot(settings, spec) else self.function
        acknowledge(self, LOCKED_RUNTIME, *([TRACES] if settings.trace else []), *spec.reasons)
        if self._snapshot(settings, spec):
            acknowledge(self, SNAPSHOT_PUBLISHED)

    def _role(self, spec: FunctionSpec) -> iam.IRole:
        """Known by its name, a given role takes its policy from the stack of the function, not from its own."""
        if spec.role is not None:
            return iam.Role.from_role_name(self, "Role", spec.role.role_name)
        return iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), description=f"Nexus: {spec.module}")

    def _alias(self) -> lambda_.IFunction:
        return lambda_.Alias(self, "Live", alias_name=LIVE, version=self.function.current_version)

    @staticmethod
    def _snapshot(settings: StageSettings, spec: FunctionSpec) -> bool:
        return settings.snap_start and spec.snapshot


def retention(days: int) -> logs.RetentionDays:
    """CDK's own word for so many days."""
    return logs.RetentionDays[_RETENTION[days]]


_RETENTION = {
    1: "ONE_DAY",
    3: "THREE_DAYS",
    5: "FIVE_DAYS",
    7: "ONE_WEEK",
    14: "TWO_WEEKS",
    30: "ONE_MONTH",
    60: "TWO_MONTHS",
    90: "THREE_MONTHS",
    120: "FOUR_MONTHS",
    150: "FIVE_MONTHS",
    180: "SIX_MONTHS",
    365: "ONE_YEAR",
    400: "THIRTEEN_MONTHS",
    545: "EIGHTEEN_MONTHS",
    731: "TWO_YEARS",
    1096: "THREE_YEARS",
    1827: "FIVE_YEARS",
    2192: "SIX_YEARS",
    2557: "SEVEN_YEARS",
    2922: "EIGHT_YEARS",
    3288: "NINE_YEARS",
    3653: "TEN_YEARS",
}
