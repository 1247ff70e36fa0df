"""How many calls NexusMedia carries, how it grows, and what is refused before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from infra.constructs.gpu_hosts import stop_s
from infra.constructs.media_scaling import FREE, UTILISATION
from infra.constructs.media_task import MOST_CONTAINERS, check_slots, server_command, server_ports, slots
from infra.settings import SettingsError
from infra.stacks.data import NexusData
from infra.stacks.media import NexusMedia, check
from nexus.domain.metrics import METRICS
from tests.infra.media_templates import (
    ROOT,
    Template,
    media_settings,
    new_app,
    of,
    the_one,
)


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


def policies(template: Template) -> dict[str, dict[str, Any]]:
    return {one["PolicyType"]: one for one in of(template, "AWS::ApplicationAutoScaling::ScalingPolicy")}


def test_tasks_follow_the_share_of_slots_in_use(gpu: Template) -> None:
    tracking = policies(gpu)["TargetTrackingScaling"]["TargetTrackingScalingPolicyConfiguration"]
    metric = tracking["CustomizedMetricSpecification"]
    assert (metric["Namespace"], metric["MetricName"]) == ("Nexus/Media", "SlotUtilisation")
    assert metric["Dimensions"] == [{"Name": "Fleet", "Value": "main"}]
    said = media_settings("prod")
    assert (tracking["TargetValue"], tracking["ScaleInCooldown"]) == (said.target_percent, said.scale_in_cooldown_s)
    target = the_one(gpu, "AWS::ApplicationAutoScaling::ScalableTarget")
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
