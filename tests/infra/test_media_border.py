"""Who reaches what in NexusMedia: rights, the network, the load balancer."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from infra.constructs.media_door import IDLE_S, READY, check_door
from infra.constructs.media_task import PORT
from infra.settings import SettingsError
from infra.stacks.data import NexusData
from infra.stacks.media import NexusMedia
from media_plane.relay import _PING_S as RELAY_PING_S
from media_plane.server.sockets import _PING_S
from tests.infra.media_templates import (
    ROOT,
    TLS,
    Template,
    attributes,
    media_settings,
    media_templates,
    new_app,
    of,
    the_one,
)


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    found = [
        one["Properties"] for name, one in template["Resources"].items() if one["Type"] == "AWS::IAM::Policy" and name.startswith(role)
    ]
    return [statement for policy in found for statement in policy["PolicyDocument"]["Statement"]]


def actions(held: list[dict[str, Any]]) -> set[str]:
    return {one for statement in held for one in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])}


def test_the_task_may_protect_tasks_of_its_own_cluster(gpu: Template) -> None:
    (protects,) = (one for one in statements(gpu, "TaskRole") if "ecs:UpdateTaskProtection" in one["Action"])
    assert protects["Action"] == ["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"]
    assert json.dumps(protects["Resource"]).count(":task/") == 1
    assert "ClusterEB0386A7" in json.dumps(protects["Resource"])


def test_the_task_may_do_what_the_documents_say_and_no_more(gpu: Template) -> None:
    (row,) = (line for line in (ROOT / "docs" / "dynamodb.md").read_text().splitlines() if line.startswith("| Media process |"))
    said = set(re.findall(r"\b[A-Z][A-Za-z]+(?:Item|Items|ItemCheck|Query|ConditionCheckItem)\b|\bQuery\b", row))
    items = {one.removeprefix("dynamodb:") for one in actions(statements(gpu, "TaskRole")) if one.startswith("dynamodb:")}
    assert said == items
    for refused in ("dynamodb:Scan", "dynamodb:*", "s3:*", "kms:*", "s3:DeleteBucket", "secretsmanager:GetSecretValue", "iam:PassRole"):
        assert refused not in actions(statements(gpu, "TaskRole"))


def test_the_task_writes_objects_and_reads_and_deletes_none(gpu: Template) -> None:
    assert {one for one in actions(statements(gpu, "TaskRole")) if one.startswith("s3:")} == {"s3:PutObject", "s3:ListBucket"}
    (writes,) = (one for one in statements(gpu, "TaskRole") if one["Action"] == "s3:PutObject")
    assert sorted(re.findall(r'"/(\w+)/\*"', json.dumps(writes["Resource"]))) == ["expiry", "media", "private", "sessions"]


def test_the_task_changes_nothing_that_a_tenant_has_published(gpu: Template) -> None:
    """Requests of the media plane are held against these statements in ``test_media_rights``."""
    items = [one for one in statements(gpu, "TaskRole") if "dynamodb:GetItem" in one["Action"]]
    leading = {json.dumps(one["Action"]): one["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] for one in items}
    assert leading['"dynamodb:GetItem"'] == "TENANT#*#DOCUMENTS" or leading['"dynamodb:GetItem"'] == ["TENANT#*#DOCUMENTS"]
    assert all(one["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"} for one in items)
    (changed,) = (keys for action, keys in leading.items() if "PutItem" in action)
    assert not [one for one in changed if re.search("DOCUMENTS|LEADS|SESSIONS", one)]


def test_a_host_reads_weights_and_nothing_else_of_the_archive(gpu: Template) -> None:
    objects = [one for one in statements(gpu, "GpuRole") if one["Action"] == "s3:GetObject"]
    assert [json.dumps(one["Resource"]).count("models/personaplex/*") for one in objects] == [1]
    assert "s3:PutObject" not in actions(statements(gpu, "GpuRole"))
    assert "dynamodb:GetItem" not in actions(statements(gpu, "GpuRole"))


def test_only_the_load_balancer_and_other_tasks_reach_a_task_at_one_port(gpu: Template) -> None:
    """The servers beside us listen on every interface and ask nobody for a name."""
    rules = [*of(gpu, "AWS::EC2::SecurityGroupIngress")]
    to_tasks = [one for one in rules if "TaskGroup" in json.dumps(one["GroupId"])]
    assert {(one["FromPort"], one["ToPort"]) for one in to_tasks} == {(PORT, PORT)}
    assert sorted("Door" in json.dumps(one["SourceSecurityGroupId"]) for one in to_tasks) == [False, True]
    (group,) = (one for one in of(gpu, "AWS::EC2::SecurityGroup") if one["GroupDescription"] == "Media tasks")
    assert "SecurityGroupIngress" not in group
    assert {(one["FromPort"], one["CidrIp"]) for one in group["SecurityGroupEgress"]} == {(443, "0.0.0.0/0")}


def test_nothing_comes_in_to_hosts(gpu: Template) -> None:
    (group,) = (one for one in of(gpu, "AWS::EC2::SecurityGroup") if one["GroupDescription"].startswith("GPU hosts"))
    assert "SecurityGroupIngress" not in group
    assert not any("GpuGroup" in json.dumps(one["GroupId"]) for one in of(gpu, "AWS::EC2::SecurityGroupIngress"))


def test_tables_and_objects_are_reached_inside_the_vpc(gpu: Template, cpu: Template) -> None:
    def kinds(template: Template) -> list[str]:
        return sorted(one.get("VpcEndpointType", "Interface") for one in of(template, "AWS::EC2::VPCEndpoint"))

    assert kinds(cpu) == ["Gateway", "Gateway"]
    assert kinds(gpu) == ["Gateway", "Gateway", *["Interface"] * 8]


def test_an_existing_vpc_is_taken_as_it_is() -> None:
    app = new_app()
    given = {
        "vpc_id": "vpc-0123",
        "availability_zones": "eu-west-1a,eu-west-1b",
        "private_subnet_ids": "subnet-1,subnet-2",
        "public_subnet_ids": "subnet-3,subnet-4",
    }
    settings = media_settings(engine="cascade", **TLS, **given)
    media = NexusMedia(app, "Media", settings=settings, data=NexusData(app, "Data", settings=settings))
    subnets = media.network.vpc.select_subnets(subnet_type=media.network.private.subnet_type).subnets
    assert [one.subnet_id for one in subnets] == ["subnet-1", "subnet-2"]
    with pytest.raises(SettingsError, match="availability_zones"):
        wrong = media_settings(engine="cascade", **{**given, "availability_zones": "eu-west-1a"})
        NexusMedia(app, "Wrong", settings=wrong, data=NexusData(app, "Data2", settings=wrong))


def test_callers_come_over_tls(gpu: Template) -> None:
    listener = the_one(gpu, "AWS::ElasticLoadBalancingV2::Listener")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert "TLS13" in listener["SslPolicy"]
    assert listener["Certificates"] == [{"CertificateArn": TLS["media_certificate_arn"]}]
    assert gpu["Outputs"]["MediaUrl"]["Value"] == "https://voice.example.org"
    assert the_one(gpu, "AWS::Route53::RecordSet")["Name"] == "voice.example.org."


def test_without_a_certificate_nobody_outside_gets_in(cpu: Template) -> None:
    assert the_one(cpu, "AWS::ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internal"
    (group,) = (one for one in of(cpu, "AWS::EC2::SecurityGroup") if one["GroupDescription"].startswith("Callers"))
    assert [one["CidrIp"] for one in group["SecurityGroupIngress"]] == ["10.90.0.0/16"]


@pytest.mark.parametrize(
    ("stage", "said", "named"),
    [
        ("prod", {}, "media_certificate_arn"),
        ("dev", {"media_domain": "voice.example.org"}, "media_certificate_arn"),
        ("dev", {"max_call_s": 3541}, "max_call_s"),
    ],
)
def test_a_door_that_would_fail_callers_is_refused(stage: str, said: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        check_door(media_settings(stage, **said))


def test_readiness_is_asked_where_our_server_answers_it(gpu: Template) -> None:
    group = the_one(gpu, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert (group["HealthCheckPath"], group["TargetType"], group["Matcher"]) == (READY, "ip", {"HttpCode": "200"})
    assert READY in (ROOT / "media_plane" / "server" / "sockets.py").read_text()


def test_living_calls_are_never_idle_for_the_load_balancer(gpu: Template) -> None:
    """A ping that goes out just after the limit's last reset must come, and be lost once, before the limit."""
    balancer = attributes(the_one(gpu, "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    assert balancer["idle_timeout.timeout_seconds"] == str(IDLE_S)
    assert max(_PING_S, RELAY_PING_S) * 3 <= IDLE_S


def test_access_logs_are_kept_and_their_bucket_lets_the_load_balancer_write() -> None:
    balancer = attributes(the_one(media_templates()["gpu"], "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    assert balancer["access_logs.s3.enabled"] == "true"
    held = [one["PolicyDocument"]["Statement"] for one in of(media_templates()["gpu-data"], "AWS::S3::BucketPolicy")]
    (lets,) = (one for statements in held for one in statements if one.get("Sid") == "MediaDoor")
    assert lets["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert lets["Action"] == "s3:PutObject"
    assert f"/{balancer['access_logs.s3.prefix']}/AWSLogs/" in json.dumps(lets["Resource"])


def test_deletion_of_the_door_takes_two_steps_in_prod(gpu: Template, cpu: Template) -> None:
    def protected(template: Template) -> str:
        balancer = the_one(template, "AWS::ElasticLoadBalancingV2::LoadBalancer")
        return str(attributes(balancer, "LoadBalancerAttributes")["deletion_protection.enabled"])

    assert (protected(gpu), protected(cpu)) == ("true", "false")
