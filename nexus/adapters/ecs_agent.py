"""What a task asks the agent of ECS: who it is, where it is reached, and not to be stopped while calls live in it.

**Source:** Amazon ECS developer guide, "Task scale-in protection endpoint" (``$ECS_AGENT_URI``) and "Task metadata endpoint version 4"
(``$ECS_CONTAINER_METADATA_URI_V4``).
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import httpx2

from nexus.errors import ConfigurationError, UpstreamError

DEADLINE_S = 3.0
_MOST_BYTES = 256_000
_HELD_UP = "DEPLOYMENT_BLOCKED"
_TASK_ARN = "com.amazonaws.ecs.task-arn"


@dataclass(frozen=True, slots=True)
class EcsTask:
    """The task that this process runs in.

    Attributes:
        process_id: the task's id; after restarts of the container within the task with their number (``…-r2``), so that the calls of the
            life before are known as those of a dead process.
        address: the task's own IPv4 address inside the VPC.
    """

    process_id: str
    address: str


class EcsProtection:
    """Scale-in protection of the task (``media_plane.server.protection.ScaleInProtection``).

    Args:
        agent_uri: ``ECS_AGENT_URI``.
        deadline_s: for each request, from the connection to the answer's end.
    """

    def __init__(self, agent_uri: str, deadline_s: float = DEADLINE_S) -> None:
        self._url = f"{agent_uri.rstrip('/')}/task-protection/v1/state"
        self._deadline_s = deadline_s

    async def protect(self, minutes: int) -> Literal["granted", "held_up"]:
        """Neither a deployment nor scaling stops the task for so long; or, ``held_up`` (``DEPLOYMENT_BLOCKED``): the service has more
        protected tasks than it is to run, and what was granted before holds. Raises UpstreamError ``protection_failed``."""
        wish: dict[str, bool | int] = {"ProtectionEnabled": True, "ExpiresInMinutes": max(1, min(minutes, 2880))}
        return "held_up" if await self._put(wish) == _HELD_UP else "granted"

    async def unprotect(self) -> None:
        """The task may be stopped. Raises UpstreamError ``protection_failed``."""
        if await self._put({"ProtectionEnabled": False}):
            raise UpstreamError("protection_failed", f"The ECS agent did not take off the scale-in protection: {_HELD_UP}.")

    async def _put(self, wish: Mapping[str, bool | int]) -> str:
        """Empty when it was granted, or why it was held up. Raises UpstreamError."""
        try:
            told = await _asked("PUT", self._url, self._deadline_s, wish)
        except _NoAnswer as error:
            raise UpstreamError("protection_failed", f"The ECS agent did not set the scale-in protection: {error}.") from error
        kept = told.get("protection")
        if kept is None and _why(told) == _HELD_UP:
            return _HELD_UP
        if not isinstance(kept, dict) or kept.get("ProtectionEnabled") is not wish["ProtectionEnabled"]:
            raise UpstreamError("protection_failed", f"The ECS agent did not set the scale-in protection: {_why(told)}.")
        return ""


async def read_task(metadata_uri: str, deadline_s: float = DEADLINE_S) -> EcsTask:
    """Who we are, by the task's metadata. Raises ConfigurationError ``setting_invalid``."""
    try:
        told = await _asked("GET", metadata_uri, deadline_s)
        labels = told.get("Labels")
        arn = str(labels.get(_TASK_ARN, "")) if isinstance(labels, dict) else ""
        address = next(iter(_addresses(told)), "")
    except _NoAnswer as error:
        raise _no_task(str(error)) from error
    task_id = arn.rpartition("/")[2]
    if not task_id or not address:
        raise _no_task("the metadata names no task or no IPv4 address (the task needs the network mode awsvpc)")
    restarts = told.get("RestartCount")
    again = f"-r{restarts}" if isinstance(restarts, int) and restarts > 0 else ""
    return EcsTask(f"{task_id}{again}", address)


def _addresses(told: Mapping[str, Any]) -> list[str]:
    networks = told.get("Networks")
    of_all = [network.get("IPv4Addresses") for network in networks if isinstance(network, dict)] if isinstance(networks, list) else []
    return [one for some in of_all if isinstance(some, list) for one in some if _is_address(one)]


def _is_address(value: object) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_address(value).version == 4
    except ValueError:
        return False


class _NoAnswer(Exception):
    """Why there is none."""


async def _asked(method: str, url: str, deadline_s: float, body: Mapping[str, bool | int] | None = None) -> Mapping[str, Any]:
    """The JSON object that is answered. Link-local, so never through a proxy. Raises _NoAnswer."""
    try:
        async with asyncio.timeout(deadline_s), httpx2.AsyncClient(timeout=deadline_s, trust_env=False) as http:
            answer = await http.request(method, url, json=body)
            told = json.loads(answer.content[:_MOST_BYTES])
    except TimeoutError as error:
        raise _NoAnswer(f"no answer within {deadline_s:g} s") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        raise _NoAnswer(f"{type(error).__name__}, {error}") from error
    if not isinstance(told, dict):
        raise _NoAnswer("the answer is no JSON object")
    if answer.status_code != 200:
        raise _NoAnswer(f"status {answer.status_code}, {_why(told)}")
    return told


def _why(told: Mapping[str, Any]) -> str:
    error, failure = told.get("error"), told.get("failure")
    if isinstance(error, dict):
        return f"{error.get('Code')}: {error.get('Message')}"
    return str(failure.get("Reason")) if isinstance(failure, dict) else "it gives no reason"


def _no_task(why: str) -> ConfigurationError:
    return ConfigurationError("setting_invalid", f"MEDIA_RELAY_URL=ecs: the task's metadata cannot be read: {why}.")
