"""What a platform team says: found faults name the setting, what was said last wins, and every setting is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aws_cdk.aws_logs import RetentionDays

from infra.app import said
from infra.constructs.function import retention
from infra.settings import LOG_RETENTION_DAYS, SettingsError, StageSettings, settings_table, stage_settings
from tests.synth import REPOSITORY


def refused(stage: str = "dev", folder: Path = Path("/nowhere"), **given: Any) -> str:
    with pytest.raises(SettingsError) as error:
        stage_settings(stage, given, folder=folder)
    return str(error.value)


@pytest.mark.parametrize("stage", ["dev", "prod", "local"])
def test_each_stage_stands_on_its_own(stage: str, tmp_path: Path) -> None:
    assert stage_settings(stage, folder=tmp_path).stack("Data") == f"Nexus-{stage}-Data"


def test_the_command_line_wins_over_the_file_and_the_file_over_the_stage(tmp_path: Path) -> None:
    (tmp_path / "prod.yaml").write_text("log_retention_days: 30\napi_rate: 7\n")
    settings = stage_settings("prod", {"api_rate": "9"}, folder=tmp_path)
    assert (settings.log_retention_days, settings.api_rate, settings.keep_data) == (30, 9, True)


def test_lists_are_said_with_commas(tmp_path: Path) -> None:
    told = stage_settings("dev", {"private_subnet_ids": "subnet-1, subnet-2"}, folder=tmp_path)
    assert told.private_subnet_ids == ("subnet-1", "subnet-2")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"instance_typ": "x"}, ["instance_typ", "did you mean instance_type?"]),
        ({"no_such_thing": "x"}, ["no_such_thing", "docs/infra.md"]),
        ({"kms_key_arn": "alias/mine"}, ["kms_key_arn", "an existing KMS key"]),
        ({"api_rate": "many"}, ["api_rate", "valid integer"]),
        ({"max_receives": 0}, ["max_receives", "greater than or equal to 1"]),
        ({"log_retention_days": 31}, ["log_retention_days", "30, 60"]),
        ({"visibility_s": 30, "after_call_timeout_s": 60}, ["visibility_s", "after_call_timeout_s"]),
        ({"api_rate": 0, "public_url": "ftp://x"}, ["api_rate", "public_url"]),
    ],
)
def test_a_fault_names_its_setting_and_what_to_do(given: dict[str, Any], words: list[str]) -> None:
    told = refused(**given)
    assert all(word in told for word in words), told


def test_a_stage_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    assert "dev, prod, local" in refused("staging")


@pytest.mark.parametrize(("text", "words"), [("a: [", "not YAML"), ("- a", "name: value")])
def test_a_file_that_cannot_be_read_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(text)
    told = refused(folder=tmp_path)
    assert words in told
    assert "dev.yaml" in told


def test_what_cdk_itself_puts_into_the_context_is_no_setting() -> None:
    assert said({"stage": "dev", "aws:cdk:bundling-stacks": [], "@aws-cdk/core:x": True}) == {"stage": "dev"}


def test_a_log_is_kept_for_as_long_as_cloudwatch_can() -> None:
    assert {retention(days) for days in LOG_RETENTION_DAYS} == set(RetentionDays) - {RetentionDays.INFINITE}


def test_every_setting_is_explained_in_a_sentence() -> None:
    unexplained = [name for name, field in StageSettings.model_fields.items() if len((field.description or "").split()) < 3]
    assert unexplained == []


def test_the_document_lists_every_setting_as_it_is() -> None:
    """`python -m infra.settings` writes the table."""
    text = (REPOSITORY / "docs" / "infra.md").read_text()
    assert settings_table() in text
