"""The media container as a process of this machine, told what the stack would tell it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.environments import MEDIA_SECRETS, Places, of_media
from infra.settings import stage_settings
from tests.e2e_aws.deployment import Deployment, until
from tests.emulator import free_port
from tests.fakes.ecs_agent import EcsAgent

ROOT = Path(__file__).parents[2]
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
    return {**told, **secrets, **deployment.aws_environment(), **agent.environment, **here, "CHAT_MODEL": "scripted"}
