"""Real media processes as tasks of ECS over one registry: each with its agent, its figures on stdout, and others to pass sockets on to."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process)

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from control_plane.services.calls import CallDesk, CallPolicy, CallRequest, OrderedCall
from control_plane.services.erasure import ErasedStores
from control_plane.wiring import Stores
from nexus.adapters.aws import AwsStores
from nexus.adapters.embedded import EmbeddedStores, embedded_stores, ticket_private_key
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from tests import emf
from tests.fakes.control_plane import PRIVATE_KEY, house
from tests.fakes.ecs_agent import EcsAgent
from tests.scenarios.house import TENANT, make_settings, write_tenant
from tests.scenarios.test_aws_media import DRAFT, ROOT, SHOP, told
from tests.scenarios.test_killed import free_port

PATIENT = {"idle_timeout_s": 600, "no_input_s": 600, "concurrent_calls": 200}


@dataclass(frozen=True, slots=True)
class Task:
    """One media process."""

    running: asyncio.subprocess.Process
    port: int
    agent: EcsAgent
    folder: Path

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def figures(self) -> list[emf.Point]:
        """Every figure it has given, each line checked."""
        return emf.read((self.folder / "stdout").read_text())

    async def ready(self) -> bool:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"http://127.0.0.1:{self.port}/readyz")).status_code == 200

    async def exited(self, within_s: float) -> int:
        async with asyncio.timeout(within_s):
            return await self.running.wait()


@dataclass(frozen=True, slots=True)
class Fleet:
    """Tasks over one registry; ``order`` is ``POST /calls`` without HTTP."""

    stores: EmbeddedStores | AwsStores
    signing_key: str
    environment: dict[str, str]
    folder: Path
    entry: Sequence[str]
    tasks: AsyncExitStack

    async def start(self, name: str, **more: str) -> Task:
        """A further task, ready for calls."""
        folder, port = self.folder / name, free_port()
        folder.mkdir()
        agent = self.tasks.enter_context(EcsAgent(task_id=f"{name}{'0' * 32}"[:32]))
        with (folder / "log").open("wb") as log, (folder / "stdout").open("wb") as stdout:
            running = await asyncio.create_subprocess_exec(
                sys.executable,
                *self.entry,
                env={**self.environment, **agent.environment, "PORT": str(port), **more},
                cwd=folder,
                stdout=stdout,
                stderr=log,
            )
        task = Task(running, port, agent, folder)
        self.tasks.push_async_callback(_killed, running)
        async with asyncio.timeout(60):
            while "serving calls" not in task.log:
                assert running.returncode is None, task.log
                await asyncio.sleep(0.1)
        return task

    async def order(self) -> OrderedCall:
        desk = CallDesk(self.stores.tenants, self.stores.ledger, self.stores.ids, Clock(), CallPolicy(self.signing_key))
        return await desk.create(TENANT, CallRequest(self.stores.ids.new("key"), "body"))

    async def records(self, count: int, within_s: float = 20) -> dict[str, SessionRecord]:
        """By call, once there are so many and no call is open."""
        async with asyncio.timeout(within_s):
            while len(found := await self.stores.archive.list_calls(TENANT)) < count or await self.stores.journal.open_calls():
                await asyncio.sleep(0.1)
        assert len(found) == count, "each call is recorded once"
        return {call_id: await self.stores.archive.get(TENANT, call_id) for call_id in found}


async def _killed(running: asyncio.subprocess.Process) -> None:
    if running.returncode is None:
        running.kill()
    await running.wait()


def _as_task(**more: str) -> dict[str, str]:
    """What infra tells the container, as far as one machine can."""
    patience = {"ENGINE_MUTE_S": "60", "ENGINE_CONNECT_TIMEOUT_S": "120"}  # of a fast clock: a second of the machine is a minute of it
    known = {"SCALE_IN_PROTECTION": "ecs", "MEDIA_RELAY_URL": "ecs", "METRICS": "emf", "ENGINE_SLOTS": "40", "LOG_FORMAT": "JSON"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ENGINE": "scripted", **patience, **known, **more}


@asynccontextmanager
async def fleet_on_disk(folder: Path, *, speed: float = 1.0, **limits: int) -> AsyncIterator[Fleet]:
    """Over one SQLite file. ``speed``: of calls, not of the registry."""
    write_tenant(folder / "tenants", limits={**PATIENT, **limits})
    settings = make_settings(folder)
    environment = _as_task(DATA_DIR=str(settings.data_dir), TENANTS_DIR=str(settings.tenants_dir), HOME=str(folder))
    async with AsyncExitStack() as tasks:
        yield Fleet(embedded_stores(settings), ticket_private_key(settings), environment, folder, _entry(speed), tasks)


@asynccontextmanager
async def fleet_over_aws(folder: Path, stores: AwsStores, *, speed: float = 1.0, **limits: int) -> AsyncIterator[Fleet]:
    """Over a table and a bucket; the tenant is published over REST, and then that API is gone. ``speed``: of calls, not of the registry."""
    shared = Stores(
        tenants=stores.tenants,
        archive=stores.archive,
        recordings=stores.recordings,
        index=stores.sessions,
        leads=stores.leads,
        ledger=stores.ledger,
        documents=stores.documents,
        folders=stores.folders,
        erased=ErasedStores(stores.erasable, stores.journal),
    )
    draft: dict[str, Any] = {**DRAFT, "limits": {**PATIENT, **limits}}
    async with house(shared).client as api:
        assert (await api.post("/v1/tenants", json=SHOP)).status_code == 201
        assert (await api.put(f"/v1/tenants/{TENANT}/config/draft", json=draft)).status_code == 200
        assert (await api.post(f"/v1/tenants/{TENANT}/config:publish")).status_code == 200
    async with AsyncExitStack() as tasks:
        yield Fleet(stores, PRIVATE_KEY, _as_task(**told(stores, **_as_task())), folder, _entry(speed), tasks)


def _entry(speed: float) -> tuple[str, ...]:
    return ("-m", "media_plane") if speed == 1.0 else ("-m", "tests.fakes.call_clock", str(speed))
