"""What must never vanish from any stack: encryption, TLS, no public access, exact rights, logs that end, what brings data back."""

from __future__ import annotations

import json
import re
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra import nag
from tests.emulator import PROGRAM, require_emulator
from tests.synth import Assembly, synthesised, synthesised_anew

SNAPSHOTS = Path(__file__).parent / "snapshots"
EMULATED = Path(__file__).parent / "emulated_types.txt"
"""The types of resources that the emulator's CloudFormation makes, one a line."""
ACCOUNT_WIDE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "ecr:GetAuthorizationToken",
}
"""Actions that AWS defines without a resource."""
HOSTS = "Media/GpuRole"
"""What CDK itself gives the ECS agent of a host. Tasks do not have it."""
OF_HOSTS = {"ecs:Submit*", "ecs:Poll", "ecs:StartTelemetrySession", "ecs:DiscoverPollEndpoint", "logs:CreateLogStream", "logs:PutLogEvents"}
BY_ACL = "Console/EdgeLogs"
"""CloudFront writes its access logs under an ACL, and to no bucket that knows none."""
_HASH = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")
GIVEN_BOUNDARY = "arn:aws:iam::111122223333:policy/boundary"


@pytest.fixture(params=("dev", "prod"))
def stage(request: pytest.FixtureRequest) -> Assembly:
    return synthesised(str(request.param))


def resources(of: Assembly, *kinds: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for part, template in of.templates.items():
        for name, one in template["Resources"].items():
            if not kinds or one["Type"] in kinds:
                yield f"{part}/{name}", one


def statements(of: Assembly) -> Iterator[tuple[str, dict[str, Any]]]:
    """What every policy of a role allows."""
    return ((name, told) for name, told in _statements(of) if told["Effect"] == "Allow")


def _statements(of: Assembly) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, one in resources(of, "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
        for statement in one["Properties"]["PolicyDocument"]["Statement"]:
            yield name, statement
    for name, one in resources(of, "AWS::IAM::Role"):
        for policy in one["Properties"].get("Policies", ()):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def actions(name: str, statement: dict[str, Any]) -> set[str]:
    """What it allows, but for what a host's agent is given."""
    return set(listed(statement["Action"])) - (OF_HOSTS if name.startswith(HOSTS) else set())


# --- findings of others --------------------------------------------------------------------------------------------------------


def test_nag_and_validation_find_nothing_that_is_not_acknowledged(stage: Assembly) -> None:
    assert [one for one in stage.findings if one.startswith("error")] == []


def test_the_linter_of_cloudformation_finds_nothing() -> None:
    """Of production, which has all that there is; the other stages have less of the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from cfnlint.api import ManualArgs, lint  # type: ignore[import-untyped]  # noqa: PLC0415 - two seconds, for whom it concerns

    # W3005: CDK says DependsOn where a reference says it already.
    how = ManualArgs(regions=["us-east-1"], ignore_checks=["W3005"])
    found = [f"{part}: {one}" for part, template in synthesised("prod").templates.items() for one in lint(json.dumps(template), config=how)]
    # E1017: it does not know that a weak reference gives a string.
    assert [one for one in found if not ("E1017" in one and "Fn::GetStackOutput" in one)] == []


@dataclass
class Deaf:
    """Stands where CDK takes acknowledgements, and keeps them to itself."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    path: str = ""

    def of(self, scope: Any) -> Deaf:
        return Deaf(self.told, scope.node.path)

    def acknowledge(self, *given: Any) -> None:
        self.told += [(self.path, one) for one in given]


def test_every_acknowledgement_has_a_reason_and_answers_a_finding_that_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    deaf = Deaf()
    monkeypatch.setattr(nag, "Validations", deaf)
    found = [one.split(" ", 1)[1].rsplit(" at ", 1) for one in synthesised_anew("prod").findings]
    assert len(deaf.told) > 50
    for path, one in deaf.told:
        assert len(one.reason) > 20, (path, one.id)
        assert any(rule == one.id and f"{at}/".startswith(f"{path}/") for rule, at in found), (path, one.id)


# --- who may do what -----------------------------------------------------------------------------------------------------------


def test_no_policy_allows_an_action_by_pattern(stage: Assembly) -> None:
    wild = [(name, action) for name, told in statements(stage) for action in actions(name, told) if "*" in action]
    assert wild == []


def test_no_policy_allows_an_action_on_everything_but_what_has_no_resource(stage: Assembly) -> None:
    for name, told in statements(stage):
        if "*" in listed(told.get("Resource")):
            assert actions(name, told) <= ACCOUNT_WIDE, name


def test_no_policy_of_aws_itself_is_attached_to_what_runs_our_code(stage: Assembly) -> None:
    attached = {
        name: one["Properties"]["ManagedPolicyArns"]
        for name, one in resources(stage, "AWS::IAM::Role")
        if "ManagedPolicyArns" in one["Properties"]
    }
    assert not [name for name in attached if name.startswith(("Data/", "Control/", "Analytics/", "Console/", "Observability/"))], attached


def test_each_function_has_a_role_of_its_own(stage: Assembly) -> None:
    roles = [json.dumps(one["Properties"]["Role"]) + name.split("/")[0] for name, one in resources(stage, "AWS::Lambda::Function")]
    assert len(set(roles)) == len(roles) > 6


def test_a_boundary_that_is_given_bounds_every_role() -> None:
    bounded = synthesised("dev", permissions_boundary_arn=GIVEN_BOUNDARY)
    unbound = [name for name, one in resources(bounded, "AWS::IAM::Role") if one["Properties"].get("PermissionsBoundary") != GIVEN_BOUNDARY]
    assert unbound == []


# --- what is kept --------------------------------------------------------------------------------------------------------------


def test_every_bucket_is_encrypted_closed_to_the_public_and_speaks_tls_only(stage: Assembly) -> None:
    policies = {
        json.dumps(one["Properties"]["Bucket"]): one["Properties"]["PolicyDocument"]["Statement"]
        for _, one in resources(stage, "AWS::S3::BucketPolicy")
    }
    for name, one in resources(stage, "AWS::S3::Bucket"):
        told = one["Properties"]
        assert told["BucketEncryption"]["ServerSideEncryptionConfiguration"], name
        assert set(told["PublicAccessBlockConfiguration"].values()) == {True}, name
        if not name.startswith(BY_ACL):
            assert told["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}], name
        assert told["LifecycleConfiguration"]["Rules"], name
        insecure = [
            each
            for each in policies[json.dumps({"Ref": name.split("/")[1]})]
            if each["Effect"] == "Deny" and each.get("Condition", {}).get("Bool") == {"aws:SecureTransport": "false"}
        ]
        assert insecure and insecure[0]["Action"] == "s3:*" and insecure[0]["Principal"] == {"AWS": "*"}, name


def test_every_queue_is_encrypted_and_speaks_tls_only(stage: Assembly) -> None:
    closed = json.dumps([one["Properties"] for _, one in resources(stage, "AWS::SQS::QueuePolicy")])
    for name, one in resources(stage, "AWS::SQS::Queue"):
        assert one["Properties"]["SqsManagedSseEnabled"] is True, name
        assert closed.count(f'"{name.split("/")[1]}"') and "aws:SecureTransport" in closed, name


def test_every_log_group_ends(stage: Assembly) -> None:
    endless = [name for name, one in resources(stage, "AWS::Logs::LogGroup") if not one["Properties"].get("RetentionInDays")]
    assert endless == []


def test_every_function_writes_json_to_a_log_group_that_is_deployed_with_it(stage: Assembly) -> None:
    for name, one in resources(stage, "AWS::Lambda::Function"):
        logging = one["Properties"]["LoggingConfig"]
        assert logging["LogFormat"] == "JSON", name
        assert logging["LogGroup"], name
        assert one["Properties"]["Architectures"] == ["arm64"], name


def test_a_production_keeps_what_it_holds_whatever_happens_to_its_stacks() -> None:
    prod = synthesised("prod")
    stateful = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::Cognito::UserPool")
    for name, one in resources(prod, *stateful):
        assert (one["DeletionPolicy"], one["UpdateReplacePolicy"]) == ("Retain", "Retain"), name
    kept = [name for name, one in resources(prod, "AWS::S3::Bucket") if one["DeletionPolicy"] == "Retain"]
    assert any(name.startswith("Data/Archive") for name in kept)


# --- the emulator, and what changed --------------------------------------------------------------------------------------------


def test_the_emulator_takes_every_type_of_the_stacks_that_are_deployed_to_it() -> None:
    local = synthesised("local")
    known = set(EMULATED.read_text().split())
    assert set(local.templates) >= {"Data", "Control", "Analytics"}
    asked = {one["Type"] for _, one in resources(local) if not one["Type"].startswith("Custom::")}
    assert asked - known == set()


def test_the_emulator_still_makes_the_types_that_we_think_it_makes() -> None:
    require_emulator()
    assert EMULATED.read_text().split() == _emulated_types()


def _emulated_types() -> list[str]:
    asked = "from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as known; print(*sorted(known))"
    return subprocess.run([PROGRAM.with_name("python"), "-c", asked], check=True, capture_output=True, text=True).stdout.split()


def _masked(template: dict[str, Any]) -> str:
    """Without hashes of assets, which change with each line of the product."""
    text = json.dumps(template, indent=1, sort_keys=True)
    return _VERSION.sub(r"\1<version>", _HASH.sub("<asset>", text)) + "\n"


def _snapshot_faults() -> list[str]:
    return [
        part
        for part, template in synthesised("prod").templates.items()
        if not (SNAPSHOTS / f"{part}.json").exists() or (SNAPSHOTS / f"{part}.json").read_text() != _masked(template)
    ]


def test_templates_change_only_when_somebody_says_so() -> None:
    """`python -m tests.infra.test_every_stack` writes them anew; the diff is what a deployment would do."""
    assert _snapshot_faults() == []


def _write() -> None:
    EMULATED.write_text("\n".join(_emulated_types()) + "\n")
    SNAPSHOTS.mkdir(exist_ok=True)
    for part, template in synthesised("prod").templates.items():
        (SNAPSHOTS / f"{part}.json").write_text(_masked(template))


if __name__ == "__main__":
    _write()
