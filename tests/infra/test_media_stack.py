"""NexusMedia's task, hosts and service: what must never vanish from them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from infra.constructs.gpu_hosts import OwnBucket, boot_script, weights_of
from infra.constructs.media_task import CONTAINER, safe_probe
from infra.environments import MEDIA_SECRETS
from infra.settings import SettingsError
from nexus.settings.values import Settings, load_settings
from tests.infra.media_templates import (
    Template,
    attributes,
    containers,
    media_settings,
    of,
    the_one,
    told,
    user_data,
)


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
    group = the_one(gpu, "AWS::ElasticLoadBalancingV2::TargetGroup")
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


def test_hosts_are_those_of_the_settings_and_give_nothing_away(gpu: Template) -> None:
    host = the_one(gpu, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]
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
    provider = the_one(gpu, "AWS::ECS::CapacityProvider")["AutoScalingGroupProvider"]
    assert (provider["ManagedDraining"], provider["ManagedTerminationProtection"]) == ("ENABLED", "ENABLED")
    assert provider["ManagedScaling"]["Status"] == "ENABLED"
    group = the_one(gpu, "AWS::AutoScaling::AutoScalingGroup")
    assert group["NewInstancesProtectedFromScaleIn"] is True
    assert group["CapacityRebalance"] is False
    assert not of(gpu, "AWS::AutoScaling::LifecycleHook")  # CDK's own draining by a function gives up after five minutes


def test_the_warm_pool_is_as_large_as_was_said(gpu: Template) -> None:
    pool = the_one(gpu, "AWS::AutoScaling::WarmPool")
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


def test_the_new_stands_before_the_old_goes(gpu: Template, cpu: Template) -> None:
    for template in (gpu, cpu):
        service = the_one(template, "AWS::ECS::Service")
        assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 100
        assert service["DeploymentConfiguration"]["MaximumPercent"] == 200
        assert service["DeploymentConfiguration"]["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
        assert service["AvailabilityZoneRebalancing"] == "DISABLED"
        assert "DesiredCount" not in service  # a deployment must not take back what scaling has done
        assert service["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] == "DISABLED"


def test_a_host_has_one_task(gpu: Template) -> None:
    assert the_one(gpu, "AWS::ECS::Service")["PlacementConstraints"] == [{"Type": "distinctInstance"}]


def test_without_a_gpu_it_runs_on_fargate_alone(cpu: Template) -> None:
    assert list(containers(cpu)) == [CONTAINER]
    task = the_one(cpu, "AWS::ECS::TaskDefinition")
    assert (task["RequiresCompatibilities"], task["Cpu"], task["Memory"]) == (["FARGATE"], "4096", "8192")
    assert containers(cpu)[CONTAINER]["StopTimeout"] == 120
    assert the_one(cpu, "AWS::ECS::Service")["CapacityProviderStrategy"] == [{"CapacityProvider": "FARGATE_SPOT", "Weight": 1}]
    assert not of(cpu, "AWS::AutoScaling::AutoScalingGroup")
