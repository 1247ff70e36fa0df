"""Templates of the stacks, as ``cdk synth`` writes them, without bundling: made once for each stage and settings of a run of tests."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
# A production must name where callers' sockets open.
_CERTIFICATE = "certificate/00000000-0000-0000-0000-000000000000"
PROD = {
    "media_domain": "voice.example.com",
    "media_certificate_arn": f"arn:aws:acm:eu-west-1:111122223333:{_CERTIFICATE}",
    "console_domain": "console.example.com",
    "console_certificate_arn": f"arn:aws:acm:us-east-1:111122223333:{_CERTIFICATE}",
    "alarm_email": "operator@example.com",
}
STAGES = ("dev", "prod", "local")


@dataclass(frozen=True, slots=True)
class Assembly:
    """What a synthesis gave.

    Attributes:
        folder: where it lies, until this process ends.
        templates: by the stack's part (``Data``).
        findings: of cdk-nag and CDK's own validation: rule, construct and whether it is an error.
    """

    folder: Path
    templates: dict[str, dict[str, Any]]
    findings: tuple[str, ...]

    def of(self, part: str, kind: str) -> dict[str, dict[str, Any]]:
        """A stack's resources of one type, by logical name."""
        return {name: one for name, one in self.templates[part]["Resources"].items() if one["Type"] == kind}


def synthesised(stage: str, **said: Any) -> Assembly:
    """Every stack of a stage; ``said`` is what would be said on the command line."""
    return _made(stage, tuple(sorted(said.items())))


def synthesised_anew(stage: str) -> Assembly:
    """As it is now, and for this caller alone."""
    return _made.__wrapped__(stage, ())


@cache
def _made(stage: str, said: tuple[tuple[str, Any], ...]) -> Assembly:
    # Only who asks for templates starts CDK, a process of its own; infra first: it names the Node that runs it.
    from infra.app import stacks  # noqa: I001, PLC0415
    from infra.settings import stage_settings  # noqa: PLC0415
    from aws_cdk import App  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="nexus-synth-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    flags = json.loads((REPOSITORY / "cdk.json").read_text())["context"]
    app = App(context={**flags, "aws:cdk:bundling-stacks": []}, outdir=str(folder), analytics_reporting=False)
    given = {**(PROD if stage == "prod" else {}), **dict(said)}
    stacks(app, stage_settings(stage, given, folder=folder))
    refused = ""
    try:
        app.synth()
    except RuntimeError as error:  # as jsii says it: findings stop a synthesis, and stand in the report
        refused = str(error)
    templates = {_part(path): json.loads(path.read_text()) for path in folder.glob("*.template.json")}
    report = folder / "validation-report.json"
    findings = _findings(json.loads(report.read_text())) if report.exists() else ()
    if refused and not findings:
        raise RuntimeError(refused)
    return Assembly(folder, templates, findings)


def _part(path: Path) -> str:
    return path.name.removesuffix(".template.json").rpartition("-")[2]


def _findings(report: dict[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{violation.get('severity', 'error')} {violation['ruleName']} at {found.get('constructPath')}"
        for plugin in report.get("pluginReports", ())
        for violation in plugin.get("violations", ())
        for found in violation.get("violatingConstructs", ())
    )
