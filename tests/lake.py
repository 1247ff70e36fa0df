"""The analytics stack of stage local, deployed from its real template to the emulator: rows go in by Firehose, answers come by Athena."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.analytics.lake import SESSIONS_PREFIX
from local.query.wiring import Workgroup
from tests.aws import client, set_credentials
from tests.emulator import REGION

TENANTS = ("acme", "acme2")
"""Those with a workgroup of their own."""
_OF_DATA = ("AWS::KMS::Key", "AWS::S3::Bucket")
_CDK_JSON = Path(__file__).parent.parent / "cdk.json"


@dataclass(frozen=True, slots=True)
class Lake:
    """Where everything is, in the emulator."""

    url: str
    bucket: str
    stream: str
    outputs: Mapping[str, str]

    def workgroup(self, tenant_id: str = "") -> Workgroup:
        name = f"nexus-local-tenant-{tenant_id}" if tenant_id else self.outputs["OperatorWorkgroup"]
        return Workgroup(name, self.outputs["GlueDatabase"], region=REGION, endpoint_url=self.url)

    def files(self, prefix: str = SESSIONS_PREFIX) -> list[str]:
        listed = client("s3", self.url).list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [one["Key"] for one in listed.get("Contents", ())]

    async def settled(self, files: int) -> None:
        """Wait until the stream has written so many: it answers before."""
        async with asyncio.timeout(10):
            while len(self.files()) < files:  # noqa: ASYNC110 - S3 tells nobody
                await asyncio.sleep(0.01)

    def clear(self) -> None:
        for name in self.files("lake/"):
            client("s3", self.url).delete_object(Bucket=self.bucket, Key=name)


@cache
def analytics_templates(stage: str, **said: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The templates of the data and the analytics stack, as ``cdk synth`` writes them; functions are not bundled."""
    # Only who asks for templates starts CDK, a process of its own.
    from aws_cdk import App, CliCredentialsStackSynthesizer  # noqa: PLC0415

    from infra.settings import stage_settings  # noqa: PLC0415
    from infra.stacks.analytics import NexusAnalytics  # noqa: PLC0415
    from infra.stacks.data import NexusData  # noqa: PLC0415

    context = json.loads(_CDK_JSON.read_text())["context"] | {"aws:cdk:bundling-stacks": []}
    app = App(context=context)
    settings = stage_settings(stage, {"analytics_tenants": ",".join(TENANTS)} | said)
    data = NexusData(app, settings.stack("Data"), settings=settings, synthesizer=CliCredentialsStackSynthesizer())
    NexusAnalytics(app, settings.stack("Analytics"), settings=settings, data=data, synthesizer=CliCredentialsStackSynthesizer())
    made = app.synth()
    return tuple(made.get_stack_by_name(settings.stack(part)).template for part in ("Data", "Analytics"))


@contextmanager
def deployed_lake(url: str) -> Iterator[Lake]:
    """Both stacks, of the data stack only the bucket and the key."""
    data, analytics = analytics_templates("local")
    kept = {name: one for name, one in data["Resources"].items() if one["Type"] in _OF_DATA}
    told = {name: one for name, one in data["Outputs"].items() if name.startswith("Publish") or name == "BucketName"}
    cloudformation = client("cloudformation", url)
    outputs = _deploy(cloudformation, "Nexus-local-Data", {"Resources": kept, "Outputs": told})
    outputs |= _deploy(cloudformation, "Nexus-local-Analytics", analytics)
    yield Lake(url, outputs["BucketName"], outputs["StreamName"], outputs)


@pytest.fixture(scope="session")
def lake_of_session(emulator_url: str) -> Iterator[Lake]:
    with pytest.MonkeyPatch.context() as patch:
        set_credentials(patch)
        with deployed_lake(emulator_url) as lake:
            yield lake


@pytest.fixture
def lake(lake_of_session: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """Empty."""
    set_credentials(monkeypatch)
    lake_of_session.clear()
    return lake_of_session


def _deploy(cloudformation: Any, name: str, template: dict[str, Any]) -> dict[str, str]:
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_NAMED_IAM"])
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
