"""What functions and containers are told is what the code reads: no name that nobody reads, none missing, no wrong value."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.handlers.environment import HandlerEnvironment, read_environment
from infra.environments import MEDIA_SECRETS
from nexus.adapters.aws.installation import SHARES, filled, for_media
from nexus.settings.values import Settings, load_settings
from tests.synth import Assembly, synthesised

OF_LAMBDA = {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"}
OF_KEYS = {"NEXUS_KEYS_SECRET", *SHARES}
SETTINGS = {name.upper() for name in Settings.model_fields}
HANDLERS = {name.upper() for name in HandlerEnvironment.model_fields}


@pytest.fixture(params=("dev", "prod", "local"))
def stage(request: pytest.FixtureRequest) -> Assembly:
    return synthesised(str(request.param))


def text(value: Any) -> str:
    """What stands for a value that is known when it is deployed."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(text(one) for one in parts)
    told = str(value)
    return "https://sqs.eu-west-1.amazonaws.com/1/calls" if "Calls" in told and "Ref" in told else "known-when-deployed"


def environments(of: Assembly) -> dict[str, dict[str, str]]:
    """By handler module."""
    found = {}
    for one in of.of("Control", "AWS::Lambda::Function").values():
        told = one["Properties"]
        module = told["Handler"].removesuffix(".handler").rpartition(".")[2]
        found[module] = {name: text(value) for name, value in told["Environment"]["Variables"].items()}
    return found


def media_containers(of: Assembly) -> list[dict[str, Any]]:
    tasks = of.of("Media", "AWS::ECS::TaskDefinition").values()
    return [one for task in tasks for one in task["Properties"]["ContainerDefinitions"] if one["Name"] == "media"]


def test_every_function_of_the_control_plane_is_deployed(stage: Assembly) -> None:
    assert set(environments(stage)) == {"api", "authorizer", "after_call", "webhooks", "jobs", "expire"}


def test_functions_are_told_nothing_that_they_do_not_read(stage: Assembly) -> None:
    for module, told in environments(stage).items():
        assert set(told) - HANDLERS - SETTINGS - OF_LAMBDA == set(), module


def test_functions_are_told_everything_that_they_need(stage: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read by the very code that reads it at a cold start, which names every fault."""
    for told in environments(stage).values():
        with monkeypatch.context() as patch:
            for name in HANDLERS | SETTINGS:
                patch.delenv(name, raising=False)
            for name, value in told.items():
                patch.setenv(name, value)
            read_environment()
            load_settings(None)


def test_what_has_no_default_is_told(stage: Assembly) -> None:
    needed = {name.upper() for name, field in HandlerEnvironment.model_fields.items() if field.is_required()}
    for module, told in environments(stage).items():
        assert needed <= set(told), module


def test_a_message_comes_as_often_as_the_function_believes(stage: Assembly) -> None:
    (redrive,) = [
        one["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        for one in stage.of("Control", "AWS::SQS::Queue").values()
        if "RedrivePolicy" in one["Properties"]
    ]
    assert environments(stage)["after_call"]["NEXUS_MAX_RECEIVES"] == str(redrive)


def test_the_function_that_makes_keys_is_told_where(stage: Assembly) -> None:
    (keys,) = stage.of("Data", "AWS::Lambda::Function").values()
    assert set(keys["Properties"]["Environment"]["Variables"]) == OF_KEYS


@pytest.mark.parametrize("said", [{}, {"engine": "cascade"}])
def test_the_media_container_is_told_what_it_reads_and_can_use(said: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    (container,) = media_containers(synthesised("prod", **said))
    told = {one["Name"]: text(one["Value"]) for one in container["Environment"]}
    secret = {one["Name"] for one in container["Secrets"]}
    assert (set(told) | secret) - SETTINGS == {"AWS_REGION"}
    assert secret == set(MEDIA_SECRETS)
    with monkeypatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        keys = for_media(filled({}))
        for name, value in {**told, **{name: keys[field] for name, field in MEDIA_SECRETS.items()}}.items():
            patch.setenv(name, value)
        read = load_settings(None)
    assert read.stores.value == "aws"
    assert read.environment.value == "production"
    assert read.engine.value == said.get("engine", "personaplex")


def test_the_media_plane_never_reads_the_secret_with_the_private_key() -> None:
    """Neither its task's role nor the role that starts it."""
    prod = synthesised("prod")
    asked = [
        str(statement["Resource"])
        for one in prod.of("Media", "AWS::IAM::Policy").values()
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        if "secretsmanager:GetSecretValue" in statement["Action"]
    ]
    assert asked
    assert all("MediaKeys" in one for one in asked)
