"""The media container as a process of this machine, told what the stack would tell it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx

from infra.constructs.rights import Rights
from infra.environments import MEDIA_SECRETS, Places, of_media
from infra.settings import stage_settings
from infra.stacks.media import may_of_media
from tests.e2e_aws.deployment import Deployment, until
from tests.emulator import REGION, free_port
from tests.fakes.ecs_agent import EcsAgent

ROOT = Path(__file__).parents[2]
ACCOUNT = "000000000000"
_ROLE = "media-task"
_START_S = 60.0
_STOP_S = 60.0


@dataclass(slots=True)
class MediaTask:
    """A running process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where its sockets open."""
        return f"ws://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Whether the load balancer would send callers to it."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def drain(self) -> int:
        """SIGTERM, as ECS stops a task; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_S)


@contextmanager
def media_task(deployment: Deployment, agent: EcsAgent, *, engine: str = "cascade") -> Iterator[MediaTask]:
    """Start it and wait until it is ready; killed at the end if it still runs."""
    port, log = free_port(), deployment.folder / f"media-{engine}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "media_plane"],
            cwd=ROOT,
            env=_environment(deployment, agent, port, engine),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    task = MediaTask(process, port, log)
    try:
        until(f"the media process is not ready; {log} says why", _START_S, task.ready)
        yield task
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _environment(deployment: Deployment, agent: EcsAgent, port: int, engine: str) -> dict[str, str]:
    out = deployment.outputs
    told = of_media(stage_settings("local", {"engine": engine}), Places(out["TableName"], out["BucketName"], "", ""))
    held = deployment.secret("MediaSecretArn")
    secrets = {name: str(held[field]) for name, field in MEDIA_SECRETS.items() if held.get(field)}
    here = {"PATH": os.environ["PATH"], "HOME": str(deployment.folder), "HOST": "127.0.0.1", "PORT": str(port)}
    taken_up = {name.upper(): value for name, value in deployment.taken_up(task_role(deployment)).items()}
    return {**told, **secrets, **deployment.aws_environment(), **taken_up, **agent.environment, **here, "CHAT_MODEL": "scripted"}


def task_role(deployment: Deployment) -> str:
    """A role with what the media stack lets its task do to the stores, as far as an emulator evaluates it, which takes no media stack."""
    out, iam = deployment.outputs, deployment.aws("iam")
    table, key = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{out['TableName']}", cast(Any, SimpleNamespace(key_arn=out["KeyArn"]))
    rights = Rights(table, f"arn:aws:s3:::{out['BucketName']}", key, REGION, evaluates_keys=False)
    may = [one.to_statement_json() for one in may_of_media(rights, stage_settings("local").fleet)]
    role = f"arn:aws:iam::{ACCOUNT}:role/{_ROLE}"
    if _ROLE not in [one["RoleName"] for one in iam.list_roles()["Roles"]]:
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    document = {"Version": "2012-10-17", "Statement": may}
    iam.put_role_policy(RoleName=_ROLE, PolicyName="stores", PolicyDocument=json.dumps(document))
    return role
