"""A stage `local` of the product in the emulator: made by the CDK command, asked over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.aws import client
from tests.emulator import REGION, emulator
from tests.missing import missing

ROOT = Path(__file__).parents[2]
NODE = ROOT / ".tools" / "bin" / "node"
CDK = ROOT / ".tools" / "node_modules" / "aws-cdk" / "bin" / "cdk"
STACKS = ("Nexus-local-Data", "Nexus-local-Analytics", "Nexus-local-Control")
_COMMAND_S = 240.0
_PASSED_ON = ("PIP_", "UV_", "SSL_CERT", "REQUESTS_CA", "NODE_EXTRA_CA")


@dataclass(slots=True)
class Deployment:
    """Use ``deployed``.

    Attributes:
        settings: as they were said at the last deployment.
        outputs: those of all stacks, by their own names.
        took_s: how long each command took.
    """

    emulator_url: str
    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)

    def deploy(self, label: str = "deploy", **settings: str) -> None:
        """``cdk deploy`` of the stacks that the emulator takes; ``settings`` as ``-c name=value``, beside those said before."""
        self.settings.update(settings)
        written = self.folder / "outputs.json"
        self.cdk(label, "deploy", *STACKS, "--require-approval", "never", "--outputs-file", str(written), **self.settings)
        for outputs in json.loads(written.read_text()).values():
            self.outputs.update(outputs)

    def cdk(self, label: str, *arguments: str, **settings: str) -> str:
        """Run the command; what it said. Fails with its last lines, which hold the stack's events."""
        command = [str(NODE), str(CDK), *arguments, "-c", "stage=local", "--output", str(self.folder / "cdk.out"), "--ci"]
        command += [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        begun = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=_COMMAND_S)
        self.took_s[label] = time.monotonic() - begun
        said = done.stdout + done.stderr
        if done.returncode != 0:
            pytest.fail(f"cdk {' '.join(arguments)} ended with {done.returncode}:\n{said[-6000:]}")
        sys.stderr.write(f"· cdk {arguments[0]} ({label}): {self.took_s[label]:.1f} s\n")
        return said

    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own but the way to the package index.

        The CDK command remembers accounts by access key in its home: it gets a fresh one.
        """
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        passed_on = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        return {
            **passed_on,
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "CDK_VALIDATION": "false",  # as in the Makefile
            "CDK_DISABLE_NOTICES": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            **self.aws_environment(),
        }

    def aws_environment(self) -> dict[str, str]:
        """Where AWS is, and with which credentials."""
        return {
            "AWS_ENDPOINT_URL": self.emulator_url,
            "AWS_ENDPOINT_URL_S3": self.emulator_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def aws(self, service: str) -> Any:
        """A client of boto3."""
        return client(service, self.emulator_url)

    def api(self, token: str = "", **headers: str) -> httpx.Client:
        """The deployed API. Its host name is told in a header, since nothing resolves it on this machine."""
        told = {"Host": urlsplit(self.outputs["ApiUrl"]).netloc, **headers}
        if token:
            told["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.emulator_url, headers=told, timeout=30, trust_env=False)

    def secret(self, name: str) -> dict[str, Any]:
        """What a secret holds, by the output that names it."""
        held = self.aws("secretsmanager").get_secret_value(SecretId=self.outputs[name])["SecretString"]
        found: dict[str, Any] = json.loads(held)
        return found

    def function(self, part: str) -> dict[str, Any]:
        """The configuration of a function, by stack and construct: ``Control-Api``."""
        listed = self.aws("lambda").get_paginator("list_functions").paginate()
        (found,) = (one for page in listed for one in page["Functions"] if one["FunctionName"].startswith(f"Nexus-local-{part}Fun"))
        return dict(found)

    def taken_up(self, role: str) -> dict[str, str]:
        """The credentials of a role, as boto3 and, in capitals, the environment name them."""
        given = self.aws("sts").assume_role(RoleArn=role, RoleSessionName="taken-up")["Credentials"]
        names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key", "SessionToken": "aws_session_token"}
        return {mine: given[theirs] for theirs, mine in names.items()}

    def logs(self) -> str:
        """Everything that the functions have written."""
        logs = self.aws("logs")
        groups = [one["logGroupName"] for page in logs.get_paginator("describe_log_groups").paginate() for one in page["logGroups"]]
        pages = [page for group in groups for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)]
        return "\n".join(event["message"] for page in pages for event in page["events"])


@contextmanager
def deployed(folder: Path, settings: Mapping[str, str]) -> Iterator[Deployment]:
    """Start the emulator with IAM on, deploy, and stop it afterwards."""
    if not CDK.exists():
        missing("the CDK command is missing: run make e2e-aws")
    with pytest.MonkeyPatch.context() as patch, emulator(rights=True) as url:
        made = Deployment(url, folder)
        for name, value in made.aws_environment().items():
            patch.setenv(name, value)
        made.cdk("bootstrap", "bootstrap", "--app", "", f"aws://000000000000/{REGION}")
        made.deploy(**settings, issuer_keys_host=url)
        yield made


def until(what: str, seconds: float, found: Any) -> Any:
    """Ask again until there is an answer that is true; fails when it takes too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = found()
        if answer:
            return answer
        time.sleep(0.2)
    pytest.fail(f"{what}: not within {seconds:.0f} s")
