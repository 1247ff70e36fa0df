"""A deployment while people talk: nobody's call drops, and what is deployed is what the code says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

from nexus.clock import Clock
from tests.e2e_aws.conftest import TENANT
from tests.e2e_aws.deployment import Deployment, until
from tests.e2e_aws.media import MediaTask, media_task
from tests.fakes.ecs_agent import EcsAgent
from tests.scenarios.house import Caller, dial


def order(deployment: Deployment, key: str) -> dict[str, Any]:
    with deployment.api(key) as api:
        answer = api.post(f"/v1/tenants/{TENANT}/calls", json={}, headers={"Idempotency-Key": os.urandom(8).hex()})
    assert answer.status_code == 201, answer.text
    call: dict[str, Any] = answer.json()
    return call


def test_a_call_lives_through_a_deployment_and_a_new_task(deployment: Deployment, media: MediaTask, key: str) -> None:
    """The control plane changes, a second task starts, the first is stopped; the call in it goes on and ends by itself."""

    async def day() -> None:
        living = order(deployment, key)
        async with dial(media.url, living["id"], living["websocket"]["ticket"], Clock()) as caller:
            await caller.begin()
            await caller.hears("audio.end", within_s=30)
            async with AsyncExitStack() as tasks:
                async with talking(caller):
                    await asyncio.to_thread(deployment.deploy, "deploy during a call", api_memory_mb="1536")
                    agent = tasks.enter_context(EcsAgent(task_id=os.urandom(16).hex()))
                    fresh = await asyncio.to_thread(tasks.enter_context, media_task(deployment, agent, engine="scripted"))
                    media.process.terminate()
                    await asyncio.to_thread(until, "the stopped task is still ready", 20, lambda: not media.ready())
                    following = await asyncio.to_thread(order, deployment, key)
                    async with dial(fresh.url, following["id"], following["websocket"]["ticket"], Clock()) as second:
                        await second.begin()
                        await second.hears("audio.end", within_s=30)
                        assert await second.hang_up() == "caller_hangup"
                await caller.type("Are you open on Saturday?")
                await caller.hears("transcript", role="agent", final=True, within_s=30)
                assert await caller.hang_up() == "caller_hangup"
                assert await asyncio.to_thread(media.process.wait, 60) == 0, media.log.read_text()[-2000:]
        with deployment.api(key) as api:
            for call in (living, following):
                told = await asyncio.to_thread(until, "no session", 90, partial(_session, api, call["id"]))
                assert (told["status"], told["end_reason"]) == ("completed", "caller_hangup")

    asyncio.run(day())
    memory = [
        one["MemorySize"]
        for one in deployment.aws("lambda").list_functions()["Functions"]
        if one["FunctionName"].startswith("Nexus-local-Control-Api")
    ]
    assert memory == [1536], "the deployment changed nothing"


@asynccontextmanager
async def talking(caller: Caller) -> AsyncIterator[None]:
    """Who says nothing for half a minute is hung up on, and a deployment may take longer."""

    async def on_and_on() -> None:
        while True:
            await caller.type("Is it still you?")
            await asyncio.sleep(5)

    line = asyncio.create_task(on_and_on())
    try:
        yield
    finally:
        line.cancel()
        await asyncio.wait({line})
    assert line.cancelled(), line.exception()


def _session(api: Any, call_id: str) -> dict[str, Any] | None:
    answer = api.get(f"/v1/tenants/{TENANT}/sessions/{call_id}")
    found: dict[str, Any] = answer.json()
    return found if answer.status_code == 200 else None


def test_after_it_nothing_differs(deployment: Deployment) -> None:
    said = deployment.cdk(
        "diff", "diff", *("Nexus-local-Data", "Nexus-local-Analytics", "Nexus-local-Control"), "--fail", **deployment.settings
    )
    assert "Number of stacks with differences: 0" in said or "There were no differences" in said, said
