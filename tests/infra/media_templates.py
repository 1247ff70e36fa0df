"""NexusMedia as templates: GPU hosts with everything switched on, and Fargate; with what tests look up in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from aws_cdk import App

from infra.settings import StageSettings, stage_settings
from infra.stacks.data import NexusData
from infra.stacks.media import NexusMedia

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


@cache
def media_templates() -> dict[str, Template]:
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


def of(template: Template, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template["Resources"].values() if one["Type"] == kind]


def the_one(template: Template, kind: str) -> dict[str, Any]:
    (found,) = of(template, kind)
    return found


def containers(template: Template) -> dict[str, dict[str, Any]]:
    return {one["Name"]: one for one in the_one(template, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]}


def told(container: Mapping[str, Any]) -> dict[str, Any]:
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def attributes(held: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {one["Key"]: one["Value"] for one in held[name]}


def user_data(template: Template) -> str:
    joined = the_one(template, "AWS::EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else "TOKEN" for part in joined)
