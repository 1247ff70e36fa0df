"""What a platform team may say about one stage. Checked before anything is made; each fault names its setting and what to do."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

STAGES_DIR = Path(__file__).parent / "stages"
_ARN = r"^$|^arn:aws[a-z-]*:{service}:[a-z0-9-]*:\d{{12}}:{rest}$"
_KEY_ARN = _ARN.format(service="kms", rest="key/[A-Za-z0-9-]+")
_POLICY_ARN = r"^$|^arn:aws[a-z-]*:iam::(\d{12}|aws):policy/[\w+=,.@/-]+$"
_CERTIFICATE_ARN = _ARN.format(service="acm", rest="certificate/[A-Za-z0-9-]+")
_PRINCIPAL_ARN = r"arn:aws[a-z-]*:iam::\d{12}:(root|(role|user)/[\w+=,.@/-]+)"
_TENANT_ID = r"[a-z0-9][a-z0-9_-]{1,62}"
_HOST = r"^$|^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"


LOG_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""For how long CloudWatch Logs can keep."""


class SettingsError(Exception):
    """The settings of a stage cannot be used; the message lists every fault."""


class StageName(StrEnum):
    DEV = "dev"
    PROD = "prod"
    LOCAL = "local"


def _principals(arns: tuple[str, ...]) -> tuple[str, ...]:
    for arn in arns:
        if re.fullmatch(_PRINCIPAL_ARN, arn) is None:
            raise ValueError(f"{arn!r} is no ARN of a role, a user or an account: arn:aws:iam::123456789012:role/Analysts")
    return arns


def _tenant_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if re.fullmatch(_TENANT_ID, name) is None or names.count(name) > 1:
            raise ValueError(f"{name!r} is no tenant id, or stands there twice: a-z, 0-9, _ and -, two to 63 characters, each once")
    return names


def _split(value: Any) -> Any:
    """The command line gives lists as one text with commas."""
    return tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Principals = Annotated[Names, AfterValidator(_principals)]
AnalystTenants = Annotated[Names, AfterValidator(_tenant_ids)]


class StageSettings(BaseModel):
    """One stage. Values come from ``-c name=value``, then ``infra/stages/<stage>.yaml``, then the stage's own defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: StageName = Field(
        StageName.DEV, description="dev (may be thrown away), prod (keeps what it holds) or local (the emulator of AWS)"
    )

    # What the account has already.
    vpc_id: str = Field(
        "", pattern=r"^$|^vpc-[0-9a-f]+$", description="an existing VPC; empty: one is made. Needs the three settings that follow"
    )
    availability_zones: Names = Field((), description="comma list: zones of the existing VPC's subnets, in their order")
    private_subnet_ids: Names = Field((), description="comma list: subnets of the existing VPC for tasks, one a zone, with a way out")
    public_subnet_ids: Names = Field((), description="comma list: subnets of the existing VPC for the load balancer, one a zone")
    vpc_cidr: str = Field("10.90.0.0/16", description="addresses of the VPC that is made; with vpc_id: those of the existing one")
    kms_key_arn: str = Field("", pattern=_KEY_ARN, description="an existing KMS key for everything that is kept; empty: one is made")
    permissions_boundary_arn: str = Field("", pattern=_POLICY_ARN, description="managed policy that bounds every role that is made")
    media_domain: str = Field("", pattern=_HOST, description="host name where callers' sockets open (voice.example.com)")
    media_certificate_arn: str = Field("", pattern=_CERTIFICATE_ARN, description="certificate of media_domain, in the stack's region")
    console_domain: str = Field("", pattern=_HOST, description="host name of the console and the API; empty: CloudFront's own")
    console_certificate_arn: str = Field("", pattern=_CERTIFICATE_ARN, description="certificate of console_domain, in us-east-1")
    hosted_zone_id: str = Field(
        "", pattern=r"^$|^Z[A-Z0-9]+$", description="Route 53 zone in which the host names are entered; empty: by hand"
    )
    hosted_zone_name: str = Field("", pattern=_HOST, description="name of that zone (example.com)")
    edge_waf_arn: str = Field(
        "",
        pattern=r"^$|^arn:aws[a-z-]*:wafv2:us-east-1:\d{12}:global/webacl/.+$",
        description="an existing web ACL for CloudFront (scope CLOUDFRONT, in us-east-1); empty: one is made, in a stack in us-east-1",
    )

    # What is kept.
    keep_data: bool = Field(
        False, description="table, buckets, keys, secrets and people outlive the stacks, and cannot be deleted by mistake"
    )
    recovery_days: int = Field(1, ge=1, le=35, description="to any second of how many past days the table can be set back")
    deleted_objects_days: int = Field(0, ge=0, le=35, description="how long a deleted object can be brought back; 0: not at all")
    log_retention_days: int = Field(
        30, ge=1, le=3653, description="how long logs are kept: a number that CloudWatch Logs knows (7, 30, 90, 365 ...)"
    )

    # People.
    cognito_domain_prefix: str = Field(
        "",
        pattern=r"^$|^[a-z0-9](-?[a-z0-9])*$",
        description="sign-in page at this prefix of Cognito's domain; empty: none. It leads back to the console at console_domain; in "
        "stage dev without one to a console on one's own machine, http://localhost:8000/",
    )
    password_auth: bool = Field(
        False, description="people may also sign in by sending the password itself (USER_PASSWORD_AUTH), beside SRP"
    )
    mfa: str = Field(
        "optional", pattern=r"^(off|optional|required)$", description="second factor (authenticator app): off, optional or required"
    )

    issuer_keys_host: str = Field(
        "", pattern=r"^$|^http://127\.0\.0\.1:\d+$", description="stage local: the emulator's address, where people's signing keys are read"
    )

    # Control plane.
    fleet: str = Field("main", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$", description="which media processes take the calls")
    public_url: str = Field(
        "", pattern=r"^$|^https://[^/\s]+/?$", description="where callers' sockets open; empty: as the media plane says"
    )
    api_rate: int = Field(200, ge=1, description="requests a second that the API takes in all")
    api_burst: int = Field(400, ge=1, description="requests at once that the API takes in all")
    api_memory_mb: int = Field(1024, ge=256, le=10240, description="memory of the API's function; its processor grows with it")
    snap_start: bool = Field(True, description="functions that a person waits for start from a snapshot")
    gemini_base_url: str = Field("", pattern=r"^$|^https?://\S+$", description="another address of the Gemini API; empty: Google's")
    after_call_abreast: int = Field(
        10, ge=2, le=1000, description="batches of finished calls read at once; spares the language model's quota"
    )
    after_call_timeout_s: int = Field(60, ge=5, le=900, description="longest time for a batch of finished calls")
    visibility_s: int = Field(
        360, ge=5, le=43200, description="after how long a message that was not finished comes again; six times the former"
    )
    max_receives: int = Field(5, ge=1, le=1000, description="how often a message comes before it goes to the dead-letter queue")
    allowed_origins: Names = Field((), description="comma list of origins whose pages may open calls and use the API")

    # Media plane.
    engine: str = Field(
        "personaplex", pattern=r"^(personaplex|cascade|pcm_sidecar|scripted)$", description="voice engine of the media plane"
    )
    instance_type: str = Field("g6e.xlarge", description="EC2 instance type of the GPU hosts")
    gpus_per_instance: int = Field(1, ge=1, le=8, description="GPUs of that instance type: one task a host takes them all")
    servers_per_gpu: int = Field(2, ge=1, le=16, description="PersonaPlex server processes that share a GPU; one takes one call")
    spare_servers: int = Field(1, ge=0, le=15, description="of them, how many are kept free so that a long call can move on")
    max_call_s: int = Field(1800, ge=60, le=7200, description="longest call; hosts and tasks are given so long to drain")
    # Defaults of these seven: docs/capacity.md, ten calls at once (make simulate; a test compares them).
    tasks_min: int = Field(6, ge=0, le=5000, description="fewest media tasks")
    tasks_max: int = Field(62, ge=1, le=5000, description="most media tasks")
    warm_pool: int = Field(1, ge=0, le=1000, description="stopped hosts kept ready, each with its image")
    spot: bool = Field(False, description="GPU hosts are spot instances; cannot be had together with warm_pool")
    ami_id: str = Field(
        "", pattern=r"^$|^ami-[0-9a-f]+$", description="image of GPU hosts that holds containers and weights; empty: AWS's ECS image"
    )
    media_image: str = Field("", description="URI of the media container; empty: the account's own repository, nexus-media:<release>")
    personaplex_image: str = Field(
        "", description="URI of the PersonaPlex server's container; empty: the account's own repository, personaplex:<release>"
    )
    weights_uri: str = Field(
        "",
        pattern=r"^$|^s3://[a-z0-9.-]{3,63}(/[A-Za-z0-9._/-]+)?$",
        description="weights of PersonaPlex in S3; empty: models/personaplex of the archive",
    )
    weights_snapshot_id: str = Field("", pattern=r"^$|^snap-[0-9a-f]+$", description="EBS snapshot that holds the weights, in place of S3")
    weights_in_ami: bool = Field(False, description="ami_id holds the weights under /opt/personaplex, in place of S3")
    host_disk_gb: int = Field(120, ge=60, le=16384, description="disk of a GPU host: images and weights")
    target_percent: int = Field(60, ge=10, le=95, description="slot utilisation that scaling holds")
    free_slots_floor: int = Field(6, ge=0, le=1000, description="fewer free slots than this start tasks at once; 0: no such rule")
    scale_out_cooldown_s: int = Field(300, ge=10, le=7200, description="within so long of an addition only a larger one counts")
    scale_in_cooldown_s: int = Field(900, ge=60, le=7200, description="wait between two reductions")
    fargate_vcpu: int = Field(4, description="with another engine than personaplex: vCPUs of a task without a GPU (2, 4, 8 or 16)")
    fargate_memory_gb: int = Field(8, ge=4, le=120, description="memory of such a task")
    fargate_slots: int = Field(3, ge=1, le=500, description="calls that such a task takes at once")
    nat_gateways: int = Field(
        1, ge=1, le=3, description="NAT gateways of the VPC that is made: two keep calls' tools alive when a zone goes"
    )
    interface_endpoints: bool = Field(False, description="AWS's own services are reached inside the VPC that is made, not through NAT")

    # Analytics.
    analytics_buffer_s: int = Field(120, ge=60, le=120, description="how long rows of finished calls wait before they become a file")
    analytics_tenants: AnalystTenants = Field(
        (), max_length=100, description="comma list of tenants whose analysts get a workgroup and a role of their own"
    )
    analyst_principals: Principals = Field(
        (), description="comma list of ARNs that may take analysts' roles; empty: whom the account's policies let"
    )
    analytics_scan_cap_gb: int = Field(10, ge=1, description="a query in a tenant's workgroup that reads more is cancelled")
    analytics_operator_scan_cap_gb: int = Field(100, ge=1, description="a query in the operator's workgroup that reads more is cancelled")
    analytics_results_days: int = Field(7, ge=1, le=365, description="how long results of queries are kept")

    # Firewall.
    waf: bool = Field(True, description="firewalls (AWS WAF) stand before the console, the API behind it, and callers' sockets")
    waf_rate: int = Field(6000, ge=100, description="requests that one address may send within five minutes before the firewall refuses it")

    # Observability.
    alarm_email: str = Field("", pattern=r"^$|^[^@\s]+@[^@\s]+$", description="who is written to when an alarm goes off")
    runbooks_url: str = Field(
        "docs/operations.md", pattern=r"^\S+$", description="where your people read docs/operations.md; alarms point there"
    )
    monthly_budget_usd: int = Field(0, ge=0, description="a warning comes at 80 % of such a month's bill, and when it is foreseen; 0: none")
    canary_tenant: str = Field(
        "", pattern=rf"^$|^{_TENANT_ID}$", description="a test call is placed to this tenant again and again; empty: none"
    )
    canary_minutes: int = Field(5, ge=1, le=1440, description="how many minutes lie between two test calls")
    nag: bool = Field(True, description="findings of cdk-nag stop the synthesis (never in stage local)")
    trace: bool = Field(True, description="requests to functions and whole calls are traced (X-Ray)")

    @field_validator("log_retention_days")
    @classmethod
    def _known_to_cloudwatch(cls, days: int) -> int:
        if days not in LOG_RETENTION_DAYS:
            raise ValueError(f"CloudWatch Logs keeps for {', '.join(map(str, LOG_RETENTION_DAYS))} days; take one of these")
        return days

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.visibility_s < self.after_call_timeout_s:
            raise ValueError(
                f"visibility_s ({self.visibility_s}) is shorter than after_call_timeout_s ({self.after_call_timeout_s}): a message would "
                "come again while it is still worked on; make it six times as long"
            )
        if self.cognito_domain_prefix and not self.console_domain and self.stage is not StageName.DEV:
            raise ValueError("cognito_domain_prefix needs console_domain: the sign-in page must know where people come back to")
        return self

    @property
    def local(self) -> bool:
        """Whether this is for the emulator."""
        return self.stage is StageName.LOCAL

    @property
    def name(self) -> str:
        """How everything of this stage is called: ``nexus-dev``."""
        return f"nexus-{self.stage}"

    @property
    def origins(self) -> tuple[str, ...]:
        """Whose pages may open calls and use the API: the console's, where its name is known, and those that were said."""
        own = (f"https://{self.console_domain}",) if self.console_domain else ()
        return (*own, *(one for one in self.allowed_origins if one not in own))

    @property
    def signs_in(self) -> bool:
        """Whether the console sends people to Cognito's page: it must be known where they come back to."""
        return bool(self.cognito_domain_prefix and self.console_domain)

    @property
    def stream_name(self) -> str:
        """The Firehose stream of analytics rows; fixed, so that the planes need not wait for its stack."""
        return f"{self.name}-sessions"

    def stack(self, part: str) -> str:
        """The CloudFormation name of one stack."""
        return f"Nexus-{self.stage}-{part}"


_OF_STAGE: Mapping[StageName, Mapping[str, Any]] = {
    StageName.DEV: {"log_retention_days": 14, "tasks_min": 1, "tasks_max": 4, "warm_pool": 0, "free_slots_floor": 0},
    StageName.PROD: {
        "keep_data": True,
        "recovery_days": 35,
        "deleted_objects_days": 7,
        "log_retention_days": 90,
        "mfa": "required",
        "nat_gateways": 2,
        "interface_endpoints": True,
    },
    StageName.LOCAL: {
        "public_url": "https://media.nexus.test",
        "password_auth": True,
        "mfa": "off",
        "snap_start": False,
        "after_call_timeout_s": 20,
        "visibility_s": 20,
        "max_receives": 2,
        "trace": False,
        "engine": "scripted",
        "log_retention_days": 1,
    },
}


def stage_settings(name: str, overrides: Mapping[str, Any] | None = None, *, folder: Path = STAGES_DIR) -> StageSettings:
    """The settings of a stage.

    Args:
        name: dev, prod or local.
        overrides: what was said on the command line.
        folder: where ``<stage>.yaml`` may lie.

    Raises:
        SettingsError: with every fault.
    """
    if name not in [*StageName]:
        raise SettingsError(f"stage: {name!r} is none of {', '.join(StageName)}; say -c stage=dev")
    said = {**_OF_STAGE[StageName(name)], **_in_file(folder / f"{name}.yaml"), **(overrides or {}), "stage": name}
    try:
        return StageSettings.model_validate(said)
    except ValidationError as error:
        raise SettingsError(_faults(name, error)) from None


def _in_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        held = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: this is not YAML: {error}") from error
    if not isinstance(held, dict):
        raise SettingsError(f"{path}: must hold name: value, one a line")
    return held


def _faults(stage: str, error: ValidationError) -> str:
    lines = [f"The settings of stage {stage} cannot be used:"]
    for one in error.errors(include_url=False):
        name = str(one["loc"][0]) if one["loc"] else "settings"
        lines.append(f"  {name}: {_told(name, str(one['type']), str(one['msg']))}")
    return "\n".join(lines)


def _told(name: str, kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        near = get_close_matches(name, StageSettings.model_fields, 1)
        return f"there is no such setting{f'; did you mean {near[0]}?' if near else ' (docs/infra.md lists all)'}"
    field = StageSettings.model_fields.get(name)
    meaning = f" ({field.description})" if field is not None else ""
    return f"{message.removeprefix('Value error, ')}{meaning}"


def settings_table() -> str:
    """Every setting as a row of a table, with what each stage makes of it where that is something else."""
    lines = ["| name | default | meaning |", "|---|---|---|"]
    for name, field in StageSettings.model_fields.items():
        differing = [f"{stage}: {_shown(of[name])}" for stage, of in _OF_STAGE.items() if name in of]
        default = "; ".join([_shown(field.default), *differing]) if name != "stage" else "`dev`"
        lines.append(f"| `{name}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else ",".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text or ' '}`"


def host_python() -> str:
    """The version of this interpreter, as Lambda's runtimes are numbered."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def main() -> None:
    """Write the table of docs/infra.md anew."""
    document = Path(__file__).parent.parent / "docs" / "infra.md"
    before, _, rest = document.read_text().partition("| name | default | meaning |")
    after = rest.partition("\n\n")[2]
    document.write_text(f"{before}{settings_table()}\n{after}")


if __name__ == "__main__":
    main()
