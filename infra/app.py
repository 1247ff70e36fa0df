"""The CDK app: ``python -m infra.app``, or ``cdk synth -c stage=dev -c instance_type=g6e.2xlarge``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import App, CliCredentialsStackSynthesizer, Environment, Tags, Validations
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from infra.settings import SettingsError, StageSettings, stage_settings
from infra.stacks.analytics import NexusAnalytics
from infra.stacks.console import NexusConsole
from infra.stacks.control import NexusControl
from infra.stacks.data import NexusData
from infra.stacks.edge import REGION as EDGE_REGION
from infra.stacks.edge import NexusEdge
from infra.stacks.media import NexusMedia
from infra.stacks.observability import NexusObservability, Watched


@dataclass(frozen=True, slots=True)
class Stacks:
    """The stacks of a stage, in the order in which they are deployed. The last three are None on the emulator, which takes not all of them.

    ``edge`` is None too where a firewall is given, or none is wanted.
    """

    data: NexusData
    analytics: NexusAnalytics
    media: NexusMedia | None
    control: NexusControl
    edge: NexusEdge | None
    console: NexusConsole | None
    observability: NexusObservability | None


def stacks(app: App, settings: StageSettings) -> Stacks:
    """Make all of a stage; media before control, which tells callers where sockets open."""

    def given(part: str) -> dict[str, Any]:
        return {
            "stack_name": settings.stack(part),
            "description": f"Nexus Voice Engine, {settings.stage}: {part.lower()}",
            "termination_protection": settings.keep_data,
            "synthesizer": CliCredentialsStackSynthesizer() if settings.local else None,
        }

    data = NexusData(app, settings.stack("Data"), settings=settings, **given("Data"))
    analytics = NexusAnalytics(app, settings.stack("Analytics"), settings=settings, data=data, **given("Analytics"))
    media = None if settings.local else NexusMedia(app, settings.stack("Media"), settings=settings, data=data, **given("Media"))
    public_url = settings.public_url if media is None else _over_tls(media.public_url)
    control = NexusControl(app, settings.stack("Control"), settings=settings, data=data, public_url=public_url, **given("Control"))
    edge, console, observability = None, None, None
    if media is not None:
        if settings.waf and not settings.edge_waf_arn:
            edge = NexusEdge(app, settings.stack("Edge"), settings=settings, env=Environment(region=EDGE_REGION), **given("Edge"))
        acl = settings.edge_waf_arn or (edge.web_acl_arn if edge else "")
        console = NexusConsole(
            app,
            settings.stack("Console"),
            settings=settings,
            data=data,
            control=control,
            public_url=public_url,
            web_acl_arn=acl if settings.waf else "",
            **given("Console"),
        )
        if edge is not None:
            console.add_stack_dependency(edge)
        watched = Watched(data, control, media, console)
        observability = NexusObservability(
            app, settings.stack("Observability"), settings=settings, watched=watched, **given("Observability")
        )
    _over_all(app, settings, data)
    return Stacks(data, analytics, media, control, edge, console, observability)


def _over_all(app: App, settings: StageSettings, data: NexusData) -> None:
    """What counts for every stack: the boundary of roles, the checks, the tag."""
    if settings.permissions_boundary_arn:
        given_policy = iam.ManagedPolicy.from_managed_policy_arn(data, "Boundary", settings.permissions_boundary_arn)
        iam.PermissionsBoundary.of(app).apply(given_policy)
    if settings.nag and not settings.local:
        Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    Tags.of(app).add("nexus:stage", settings.stage)


def _over_tls(url: str) -> str:
    """Callers are told of TLS only: without a certificate (the media stack warns of that) no browser could open a socket anyway."""
    return f"https://{url.removeprefix('http://')}" if url.startswith("http://") else url


def said(context: Mapping[str, Any]) -> dict[str, Any]:
    """What was said with ``-c``: whatever is named as a setting is; CDK's own names have a colon or a slash."""
    return {name: value for name, value in context.items() if ":" not in name and "/" not in name}


def main() -> None:
    """Synthesise the stage that the context names."""
    app = App()
    told = said(app.node.get_all_context())
    try:
        stacks(app, stage_settings(str(told.pop("stage", "dev")), told))
    except SettingsError as error:
        sys.exit(str(error))
    app.synth()


if __name__ == "__main__":
    main()
