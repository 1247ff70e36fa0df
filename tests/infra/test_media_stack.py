"""NexusMedia: what must never vanish from it. Two stages are synthesised once; what is refused is refused before anything is made."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra.constructs.gpu_hosts import OwnBucket, boot_script, stop_s, weights_of
from infra.constructs.media_door import IDLE_S, READY, check_door
from infra.constructs.media_scaling import FREE, UTILISATION
from infra.constructs.media_task import CONTAINER, MOST_CONTAINERS, PORT, check_slots, safe_probe, server_command, server_ports, slots
from infra.environments import MEDIA_SECRETS
from infra.settings import SettingsError, StageSettings, stage_settings
from infra.stacks.data import NexusData
from infra.stacks.media import NexusMedia, check
from media_plane.relay import _PING_S as RELAY_PING_S
from media_plane.server.sockets import _PING_S
from nexus.domain.metrics import METRICS
from nexus.settings.values import Settings, load_settings

ROOT = Path(__file__).parents[2]
TLS = {
    "media_domain": "voice.example.org",
    "media_certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d",
    "hosted_zone_id": "Z0123456789",
    "hosted_zone_name": "example.org",
}
"""What prod cannot do without."""
Template = dict[str, Any]


def media_settings(stage: str = "dev", **more: Any) -> StageSettings:
    return stage_settings(stage, more)


def new_app() -> App:
    return App(context={**json.loads((ROOT / "cdk.json").read_text())["context"], "aws:cdk:bundling-stacks": []})


@pytest.fixture(scope="module")
def both() -> dict[str, Template]:
    """GPU hosts in prod with everything switched on, and Fargate in dev; findings of cdk-nag would stop the synthesis."""
    app = new_app()
    kinds = {
        "gpu": media_settings("prod", **TLS, warm_pool=2, free_slots_floor=8, max_call_s=1200),
        "cpu": media_settings(engine="cascade", spot=True),
    }
    for name, settings in kinds.items():
        data = NexusData(app, f"{name}Data", settings=settings)
        NexusMedia(app, f"{name}Media", settings=settings, data=data)
    folder = Path(app.synth().directory)
    return {name: json.loads((folder / f"{name}{part}.template.json").read_text()) for name in kinds for part in ("Media",)} | {
        f"{name}-data": json.loads((folder / f"{name}Data.template.json").read_text()) for name in kinds
    }


@pytest.fixture(scope="module")
def gpu(both: dict[str, Template]) -> Template:
    return both["gpu"]


@pytest.fixture(scope="module")
def cpu(both: dict[str, Template]) -> Template:
    return both["cpu"]


def of(template: Template, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def one(template: Template, kind: str) -> dict[str, Any]:
    (found,) = of(template, kind)
    return found


def containers(template: Template) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in one(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]}


def told(container: Mapping[str, Any]) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def attributes(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one["Key"]: one["Value"] for one in held[name]}


def user_data(template: Template) -> str:
    joined = one(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "TOKEN" for part in joined)


# --- the task ----------------------------------------------------------------------------------------------------------------


def test_a_task_is_our_container_and_two_servers_on_one_gpu(gpu: Template) -> None:
    assert list(containers(gpu)) == [CONTAINER, "personaplex-0", "personaplex-1"]
    ours, *servers = containers(gpu).values()
    assert [[one.split("=")[1] for one in server["Command"] if one.startswith("--port")] for server in servers] == [["8998"], ["8999"]]
    assert told(ours)["PERSONAPLEX_WS_URL"] == "ws://127.0.0.1:8998/api/chat,ws://127.0.0.1:8999/api/chat"
    assert {told(server)["NVIDIA_VISIBLE_DEVICES"] for server in servers} == {"0"}
    assert not any("ResourceRequirements" in one for one in (ours, *servers))  # a reserved GPU cannot be shared


def test_ours_waits_for_the_servers_and_they_load_one_after_the_other(gpu: Template) -> None:
    def before(name: str) -> list[tuple[str, str]]:
        return [(one["ContainerName"], one["Condition"]) for one in containers(gpu)[name].get("DependsOn", [])]

    assert before(CONTAINER) == [("personaplex-0", "HEALTHY"), ("personaplex-1", "HEALTHY")]
    assert before("personaplex-0") == []
    assert before("personaplex-1") == [("personaplex-0", "HEALTHY")]


def test_a_lost_server_does_not_take_the_calls_beside_it(gpu: Template) -> None:
    essential = {name: one["Essential"] for name, one in containers(gpu).items()}
    assert essential == {CONTAINER: True, "personaplex-0": False, "personaplex-1": False}
    assert all(one["RestartPolicy"]["Enabled"] for one in containers(gpu).values())


def test_servers_read_weights_of_the_host_and_ask_no_hub(gpu: Template) -> None:
    servers = [one for name, one in containers(gpu).items() if name != CONTAINER]
    for server in servers:
        assert told(server)["HF_HUB_OFFLINE"] == "1"
        assert "HF_TOKEN" not in told(server)
        assert {one["ContainerPath"]: one["ReadOnly"] for one in server["MountPoints"]} == {"/weights": True, "/hub": True}
        assert not any("--ssl" in one or "cpu-offload" in one for one in server["Command"])


@pytest.mark.parametrize(("status", "verdict"), [(400, 0), (200, 1), (101, 1), (503, 1)])
def test_the_servers_probe_is_a_plain_get_that_wants_400(status: int, verdict: int) -> None:
    """The very program that the container runs, against a socket that notes what it is sent."""
    listener = f"""
import socket, subprocess, sys
s = socket.create_server(("127.0.0.1", 0))
port = s.getsockname()[1]
probe = subprocess.Popen([sys.executable, "-I", "-c", sys.argv[1].replace("4711", str(port))])
asked = s.accept()[0]
sent = asked.recv(4096).decode()
asked.sendall(b"HTTP/1.1 {status} X\\r\\nContent-Length: 0\\r\\n\\r\\n")
code = probe.wait(10)
print(code, "upgrade" in sent.lower(), sent.split(chr(13))[0])
"""
    done = subprocess.run([sys.executable, "-I", "-c", listener, safe_probe(4711)], capture_output=True, text=True, timeout=30)
    assert done.stdout.split(maxsplit=2) == [str(verdict), "False", "GET /api/chat HTTP/1.1\n"]


def test_the_stop_of_a_task_and_of_its_target_waits_for_the_longest_call(gpu: Template) -> None:
    longest = 1200
    assert containers(gpu)[CONTAINER]["StopTimeout"] == longest + 60
    group = one(gpu, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert attributes(group, "TargetGroupAttributes")["deregistration_delay.timeout_seconds"] == str(longest + 60)
    assert f"ECS_CONTAINER_STOP_TIMEOUT={longest + 60}s" in user_data(gpu)


def test_no_container_of_a_task_has_a_capability_of_root(gpu: Template, cpu: Template) -> None:
    """The servers' image runs as root, and what shares the task's role and network must not get further than it has to."""
    for template in (gpu, cpu):
        for one in containers(template).values():
            assert one["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
            assert one.get("Privileged", False) is False


def test_our_container_is_locked_in(gpu: Template, cpu: Template) -> None:
    for template in (gpu, cpu):
        ours = containers(template)[CONTAINER]
        assert ours["ReadonlyRootFilesystem"] is True
        assert ours["LinuxParameters"]["Capabilities"]["Drop"] == ["ALL"]
        assert "User" not in ours  # the image's own, which is not root (tests/infra/test_media_image.py)
        assert "Privileged" not in ours or ours["Privileged"] is False


def test_what_is_secret_is_never_in_the_template(gpu: Template) -> None:
    ours = containers(gpu)[CONTAINER]
    assert {one["Name"] for one in ours["Secrets"]} == set(MEDIA_SECRETS)
    assert not set(MEDIA_SECRETS) & set(told(ours))


def test_the_containers_variables_are_settings_of_the_code(gpu: Template, cpu: Template) -> None:
    known = {name.upper() for name in Settings.model_fields} | {"AWS_REGION"}
    for template in (gpu, cpu):
        ours = containers(template)[CONTAINER]
        assert set(told(ours)) | {one["Name"] for one in ours["Secrets"]} <= known


def test_the_code_takes_the_environment_as_it_is_given(gpu: Template, cpu: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    for template in (gpu, cpu):
        ours = containers(template)[CONTAINER]
        given = {name: value if isinstance(value, str) else "from-a-stack" for name, value in told(ours).items()}
        given |= {"TICKET_PUBLIC_KEYS": "-----BEGIN PUBLIC KEY-----", "CALL_PEPPER": "1f" * 32, "SEAL_KEY": "2e" * 32}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        settings = load_settings(None)
        assert settings.engine_slots == (1 if template is gpu else 3)
        assert settings.engine.value == ("personaplex" if template is gpu else "cascade")


# --- slots -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"servers_per_gpu": 1, "spare_servers": 0}, "servers_per_gpu"),
        ({"servers_per_gpu": 1, "spare_servers": 1}, "servers_per_gpu"),
        ({"servers_per_gpu": 2, "spare_servers": 0}, "spare_servers"),
        ({"servers_per_gpu": 2, "spare_servers": 2}, "spare_servers"),
        ({"servers_per_gpu": 2, "gpus_per_instance": 8}, "servers_per_gpu"),
        ({"servers_per_gpu": 1, "spare_servers": 1, "max_call_s": 240}, "spare_servers"),
    ],
)
def test_too_few_servers_are_refused_by_the_settings_name(said: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        check_slots(media_settings(**said))


@pytest.mark.parametrize(
    ("said", "calls"),
    [
        ({}, 1),
        ({"servers_per_gpu": 1, "spare_servers": 0, "max_call_s": 240}, 1),
        ({"servers_per_gpu": 3}, 2),
        ({"servers_per_gpu": 2, "gpus_per_instance": 4}, 7),
        ({"servers_per_gpu": 1, "gpus_per_instance": 8}, 7),
        ({"engine": "cascade", "fargate_slots": 5, "servers_per_gpu": 1}, 5),
    ],
)
def test_slots_of_a_task(said: dict[str, Any], calls: int) -> None:
    settings = media_settings(**said)
    check_slots(settings)
    assert slots(settings) == calls
    assert len(server_ports(settings)) + 1 <= MOST_CONTAINERS


def test_where_calls_may_outlast_the_window_two_servers_are_reachable() -> None:
    """By every setting that is allowed: a call that outlives the model's memory has somewhere to move to."""
    for servers in range(1, 10):
        for spares in range(10):
            for longest in (60, 240, 241, 3000):
                settings = media_settings(servers_per_gpu=servers, spare_servers=spares, max_call_s=longest)
                try:
                    check_slots(settings)
                except SettingsError:
                    continue
                assert slots(settings) >= 1
                assert longest <= 240 or (len(server_ports(settings)) >= 2 and spares >= 1)


# --- hosts -------------------------------------------------------------------------------------------------------------------


def test_hosts_are_those_of_the_settings_and_give_nothing_away(gpu: Template) -> None:
    host = one(gpu, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
    assert host["InstanceType"] == "g6e.xlarge"
    assert host["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert all(disk["Ebs"]["Encrypted"] for disk in host["BlockDeviceMappings"])
    parameter = gpu["Parameters"][host["ImageId"]["Ref"]]
    assert parameter["Default"] == "/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id"
    assert "ECS_AWSVPC_BLOCK_IMDS=true" in user_data(gpu)


def test_a_host_joins_the_cluster_only_when_all_before_went_well(gpu: Template) -> None:
    lines = user_data(gpu).splitlines()
    assert lines[1] == "set -euo pipefail"
    assert lines[-1].startswith("echo ECS_CLUSTER=")
    assert "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached" in user_data(gpu)
    shares = next(number for number, line in enumerate(lines) if "nvidia-ctk" in line)
    asks = next(number for number, line in enumerate(lines) if "DefaultRuntime" in line)
    assert shares < asks < len(lines) - 1
    assert "sha256sum --quiet -c weights.sha256" in user_data(gpu)


def test_the_boot_script_is_bash() -> None:
    for said in ({}, {"weights_snapshot_id": "snap-0123456789abcdef0"}, {"warm_pool": 1}, {"spot": True}):
        settings = media_settings(**said)
        own = OwnBucket("archive", "arn:aws:s3:::archive", "archive", None)  # type: ignore[arg-type]
        script = "\n".join(boot_script(settings, weights_of(settings, own), ("1.dkr.ecr.eu-west-1.amazonaws.com/a:1",), "eu-west-1"))
        done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert ("ECS_WARM_POOLS_CHECK=true" in script) == bool(said.get("warm_pool"))
        assert ("ECS_ENABLE_SPOT_INSTANCE_DRAINING=true" in script) == bool(said.get("spot"))
        assert "huggingface" not in script


def test_hosts_with_calls_are_drained_and_never_simply_ended(gpu: Template) -> None:
    provider = one(gpu, "AWS::ECS::CapacityProvider")["AutoScalingGroupProvider"]
    assert (provider["ManagedDraining"], provider["ManagedTerminationProtection"]) == ("ENABLED", "ENABLED")
    assert provider["ManagedScaling"]["Status"] == "ENABLED"
    group = one(gpu, "AWS::AutoScaling::AutoScalingGroup")
    assert group["NewInstancesProtectedFromScaleIn"] is True
    assert group["CapacityRebalance"] is False
    assert not of(gpu, "AWS::AutoScaling::LifecycleHook")  # CDK's own draining by a function gives up after five minutes


def test_the_warm_pool_is_as_large_as_was_said(gpu: Template) -> None:
    pool = one(gpu, "AWS::AutoScaling::WarmPool")
    assert (pool["MinSize"], pool["MaxGroupPreparedCapacity"], pool["PoolState"]) == (2, 2, "Stopped")
    assert pool["InstanceReusePolicy"] == {"ReuseOnScaleIn": False}
    assert "ECS_WARM_POOLS_CHECK=true" in user_data(gpu)
    assert user_data(gpu).count("docker pull") == 2


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"weights_uri": "s3://weights/w", "weights_snapshot_id": "snap-0123"}, "weights_uri and weights_snapshot_id"),
        ({"weights_in_ami": True}, "ami_id"),
    ],
)
def test_weights_come_from_one_place(said: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        weights_of(media_settings(**said), OwnBucket("a", "arn", "a", None))  # type: ignore[arg-type]


# --- the service -------------------------------------------------------------------------------------------------------------


def test_the_new_stands_before_the_old_goes(gpu: Template, cpu: Template) -> None:
    for template in (gpu, cpu):
        service = one(template, "AWS::ECS::Service")
        assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
        assert service["DeploymentConfiguration"]["MaximumPercent"] == 200
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
        assert service["AvailabilityZoneRebalancing"] == "DISABLED"
        assert "DesiredCount" not in service  # a deployment must not take back what scaling has done
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_a_host_has_one_task(gpu: Template) -> None:
    assert one(gpu, "AWS::ECS::Service")["PlacementConstraints"] == [{"Type": "distinctInstance"}]


def test_without_a_gpu_it_runs_on_fargate_alone(cpu: Template) -> None:
    assert list(containers(cpu)) == [CONTAINER]
    task = one(cpu, "AWS::ECS::TaskDefinition")
    assert (task["RequiresCompatibilities"], task["Cpu"], task["Memory"]) == (["FARGATE"], "4096", "8192")
    assert containers(cpu)[CONTAINER]["StopTimeout"] == 120
    assert one(cpu, "AWS::ECS::Service")["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    assert not of(cpu, "AWS::AutoScaling::AutoScalingGroup")


# --- rights ------------------------------------------------------------------------------------------------------------------


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


# --- the network -------------------------------------------------------------------------------------------------------------


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


# --- the door ----------------------------------------------------------------------------------------------------------------


def test_callers_come_over_tls(gpu: Template) -> None:
    listener = one(gpu, "AWS::ElasticLoadBalancingV2::Listener")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert "TLS13" in listener["SslPolicy"]
    assert listener["Certificates"] == [{"CertificateArn": TLS["media_certificate_arn"]}]
    assert gpu["Outputs"]["MediaUrl"]["Value"] == "https://voice.example.org"
    assert one(gpu, "AWS::Route53::RecordSet")["Name"] == "voice.example.org."


def test_without_a_certificate_nobody_outside_gets_in(cpu: Template) -> None:
    assert one(cpu, "AWS::ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internal"
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
    group = one(gpu, "AWS::ElasticLoadBalancingV2::TargetGroup")
    assert (group["HealthCheckPath"], group["TargetType"], group["Matcher"]) == (READY, "ip", {"HttpCode": "200"})
    assert READY in (ROOT / "media_plane" / "server" / "sockets.py").read_text()


def test_living_calls_are_never_idle_for_the_load_balancer(gpu: Template) -> None:
    """A ping that goes out just after the limit's last reset must come, and be lost once, before the limit."""
    balancer = attributes(one(gpu, "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    assert balancer["idle_timeout.timeout_seconds"] == str(IDLE_S)
    assert max(_PING_S, RELAY_PING_S) * 3 <= IDLE_S


def test_access_logs_are_kept_and_their_bucket_lets_the_load_balancer_write(both: dict[str, Template]) -> None:
    balancer = attributes(one(both["gpu"], "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")
    assert balancer["access_logs.s3.enabled"] == "true"
    held = [one["PolicyDocument"]["Statement"] for one in of(both["gpu-data"], "AWS::S3::BucketPolicy")]
    (lets,) = (one for statements in held for one in statements if one.get("Sid") == "MediaDoor")
    assert lets["Principal"] == {"Service": "logdelivery.elasticloadbalancing.amazonaws.com"}
    assert lets["Action"] == "s3:PutObject"
    assert f"/{balancer['access_logs.s3.prefix']}/AWSLogs/" in json.dumps(lets["Resource"])


def test_deletion_of_the_door_takes_two_steps_in_prod(gpu: Template, cpu: Template) -> None:
    def protected(template: Template) -> str:
        return str(
            attributes(one(template, "AWS::ElasticLoadBalancingV2::LoadBalancer"), "LoadBalancerAttributes")["deletion_protection.enabled"]
        )

    assert (protected(gpu), protected(cpu)) == ("true", "false")


# --- scaling -----------------------------------------------------------------------------------------------------------------


def policies(template: Template) -> dict[str, dict[str, Any]]:
    return {one["PolicyType"]: one for one in of(template, "AWS::ApplicationAutoScaling::ScalingPolicy")}


def test_tasks_follow_the_share_of_slots_in_use(gpu: Template) -> None:
    tracking = policies(gpu)["TargetTrackingScaling"]["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("Nexus/Media", "SlotUtilisation")
    assert metric["Dimensions"] == [{"Name": "Fleet", "Value": "main"}]
    said = media_settings("prod")
    assert (tracking["TargetValue"], tracking["ScaleInCooldown"]) == (said.target_percent, said.scale_in_cooldown_s)
    target = one(gpu, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (said.tasks_min, said.tasks_max)


def test_few_free_slots_start_tasks_at_once_the_fewer_the_more(gpu: Template) -> None:
    alarm = next(one for one in of(gpu, "AWS::CloudWatch::Alarm") if "free slots" in one["AlarmDescription"])
    (free,) = (one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one)
    assert (free["Period"], free["Stat"], alarm["Threshold"]) == (30, "Sum", 8)  # 30 s: an alarm of high resolution
    steps = policies(gpu)["StepScaling"]["StepScalingPolicyConfiguration"]["StepAdjustments"]
    assert [one["MetricIntervalUpperBound"] for one in steps] == [0, -2, -4, -6]
    assert [one.get("MetricIntervalLowerBound") for one in steps] == [-2, -4, -6, None]
    assert [one["ScalingAdjustment"] for one in steps] == [2, 4, 6, 8]
    assert len(alarm["AlarmActions"]) == 1


# --- what is refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"engine": "pcm_sidecar"}, "engine"),
        ({"tasks_min": 11}, "tasks_min"),
        ({"media_image": "example.com/nexus-media:latest"}, "media_image"),
        ({"personaplex_image": "example.com:5000/personaplex"}, "personaplex_image"),
        ({"engine": "cascade", "fargate_vcpu": 3}, "fargate_vcpu"),
        ({"engine": "cascade", "fargate_memory_gb": 31}, "fargate_memory_gb"),
    ],
)
def test_what_cannot_be_deployed_is_said_by_its_name(said: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        check(media_settings(**said))


def test_spot_and_warm_pool_are_not_had_together() -> None:
    app = new_app()
    settings = media_settings(spot=True, warm_pool=1)
    with pytest.raises(SettingsError, match="spot and warm_pool"):
        NexusMedia(app, "Media", settings=settings, data=NexusData(app, "Data", settings=settings))


def test_names_of_outputs_are_those_that_others_read(gpu: Template) -> None:
    assert {"MediaUrl", "ClusterName", "ServiceName", "LogGroupName"} <= set(gpu["Outputs"])


def test_the_command_of_a_server_is_that_of_the_documents() -> None:
    page = (ROOT / "docs" / "personaplex.md").read_text()
    for part in server_command(8998)[3:]:
        assert part.replace("=", " ") in page or part in page, part
    assert stop_s(media_settings()) == 1860


def test_scaling_looks_at_what_the_media_plane_tells() -> None:
    told = {one.name: one.unit for one in METRICS}
    assert (told[UTILISATION], told[FREE]) == ("Percent", "Count")
