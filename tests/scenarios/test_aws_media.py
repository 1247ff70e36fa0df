"""The media plane over a table and a bucket: `python -m media_plane` as a container runs it; a control plane over the same stores."""

# ruff: noqa: ASYNC110  (what is waited for is written by another process)

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from control_plane.services.erasure import ErasedStores
from control_plane.wiring import Stores
from media_plane.wiring import Instead, media_plane
from nexus import tickets
from nexus.adapters.aws import AwsStores
from nexus.clock import Clock
from nexus.domain.session import SessionRecord
from nexus.settings.values import load_settings
from tests.aws import client
from tests.emulator import REGION
from tests.fakes.aws_line import AwsLine
from tests.fakes.control_plane import PRIVATE_KEY, house
from tests.scenarios.house import TENANT, Caller, dial, speech
from tests.scenarios.test_killed import free_port

ROOT = Path(__file__).parents[2]
SHOP = {"id": TENANT, "name": "Corner Shop", "timezone": "Europe/Berlin", "language": "en-US"}
DRAFT = {"system_prompt": "Be brief.", "greeting": "Hi!"}
CALLS = f"/v1/tenants/{TENANT}/calls"


def told(stores: AwsStores, **more: str) -> dict[str, str]:
    """The environment of a container, and nothing of the developer's own."""
    place = stores.connection.place
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "ENGINE": "scripted",
        "LOG_FORMAT": "JSON",
        "ENVIRONMENT": "production",
        "STORES": "aws",
        "AWS_TABLE": place.table,
        "AWS_BUCKET": place.bucket,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": place.endpoint_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "TICKET_PUBLIC_KEYS": tickets.public_key_of(PRIVATE_KEY).replace("\n", "\\n"),
        "CALL_PEPPER": "1f" * 32,
        "SEAL_KEY": b"s".hex() * 32,
        **more,
    }


async def refused_start(folder: Path, env: dict[str, str]) -> str:
    """What a process that cannot start says."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "media_plane", env=env, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode == 1, said
    return said.decode()


@dataclass(frozen=True, slots=True)
class Container:
    """A media process, and the REST API over the same stores."""

    running: asyncio.subprocess.Process
    port: int
    log: Path
    stores: AwsStores
    api: httpx.AsyncClient

    async def order(self) -> httpx.Response:
        return await self.api.post(CALLS, json={}, headers={"Idempotency-Key": f"order-{os.urandom(8).hex()}"})

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Caller]:
        answer = await self.order()
        assert answer.status_code == 201, answer.text
        call = answer.json()
        async with dial(f"ws://127.0.0.1:{self.port}", call["id"], call["websocket"]["ticket"], Clock()) as caller:
            await caller.begin()
            yield caller

    async def probe(self, name: str) -> tuple[int, dict[str, Any]]:
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"http://127.0.0.1:{self.port}/health/{name}")
        return answer.status_code, answer.json()

    async def record(self, call_id: str) -> SessionRecord:
        """Once it is there, the journal gone and the seat free."""
        async with asyncio.timeout(20):
            while (await self.stores.ledger.get(TENANT, call_id)).state != "ended" or await self.stores.journal.open_calls():
                await asyncio.sleep(0.1)
        return await self.stores.archive.get(TENANT, call_id)

    def said(self, words: str) -> bool:
        return words in self.log.read_text()


@asynccontextmanager
async def container(folder: Path, stores: AwsStores) -> AsyncIterator[Container]:
    """Both planes; the tenant is published over REST."""
    erased = ErasedStores(stores.erasable, stores.journal)
    shared = Stores(
        stores.tenants,
        stores.archive,
        stores.recordings,
        stores.sessions,
        stores.leads,
        stores.ledger,
        stores.documents,
        stores.folders,
        erased,
    )
    api = house(shared).client
    assert (await api.post("/v1/tenants", json=SHOP)).status_code == 201
    assert (await api.put(f"/v1/tenants/{TENANT}/config/draft", json=DRAFT)).status_code == 200
    assert (await api.post(f"/v1/tenants/{TENANT}/config:publish")).status_code == 200
    port, log = free_port(), folder / "log"
    env = told(stores, PORT=str(port))
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "media_plane", env=env, cwd=folder, stdout=output, stderr=output
        )
        made = Container(running, port, log, stores, api)
        try:
            async with asyncio.timeout(40):
                while not made.said("serving calls"):
                    assert running.returncode is None, log.read_text()
                    await asyncio.sleep(0.1)
            yield made
        finally:
            if running.returncode is None:
                running.kill()
            await running.wait()
            await api.aclose()


async def test_a_call_from_its_order_to_its_record_in_the_bucket(tmp_path: Path, emulator_stores: AwsStores) -> None:
    async with container(tmp_path, emulator_stores) as made:
        assert await made.probe("ready") == (
            200,
            {
                "status": "ready",
                "active_calls": 0,
                "checks": {"engine": {"ok": True, "detail": ""}, "draining": {"ok": True, "detail": ""}},
            },
        )
        async with made.call() as caller:
            await caller.hears("audio.end", within_s=10)
            await caller.type("Remember me")
            await caller.hears("transcript", role="agent", text="Remember me", final=True)
            assert (await emulator_stores.ledger.get(TENANT, caller.call_id)).state == "active"
            assert await caller.hang_up() == "caller_hangup"
        record = await made.record(caller.call_id)
        entry = await emulator_stores.ledger.get(TENANT, caller.call_id)
    assert (record.end_reason, record.status, record.config_version) == ("caller_hangup", "completed", 1)
    assert [turn.text for turn in record.turns] == ["Hi!", "Remember me", "Remember me"]
    assert (entry.state, entry.end_reason) == ("ended", "caller_hangup")
    assert lying_in_bucket(emulator_stores, caller.call_id)["id"] == caller.call_id
    assert not (tmp_path / "data").exists(), "nothing is kept on the machine"


def lying_in_bucket(stores: AwsStores, call_id: str) -> dict[str, Any]:
    """The record as analytics and the lead function find it."""
    place = stores.connection.place
    s3 = client("s3", place.endpoint_url)
    listed = s3.list_objects_v2(Bucket=place.bucket, Prefix=f"sessions/tenant_id={TENANT}/")["Contents"]
    (key,) = [one["Key"] for one in listed if call_id in one["Key"]]
    body = s3.get_object(Bucket=place.bucket, Key=key)["Body"].read()
    found: dict[str, Any] = json.loads(gzip.decompress(body) if key.endswith(".gz") else body)
    return found


async def test_sigterm_finishes_the_living_call_and_takes_no_other(tmp_path: Path, emulator_stores: AwsStores) -> None:
    async with container(tmp_path, emulator_stores) as made, made.call() as caller:
        await caller.hears("audio.end", within_s=10)
        made.running.terminate()
        async with asyncio.timeout(10):
            while (await made.probe("ready"))[0] == 200:
                await asyncio.sleep(0.1)
            while (refused := await made.order()).status_code == 201:
                await asyncio.sleep(0.1)
        assert refused.json()["code"] == "no_engine_slot"
        status, found = await made.probe("ready")
        assert (status, found["status"], found["active_calls"]) == (503, "not_ready", 1)
        assert found["checks"]["draining"]["ok"] is False
        assert (await made.probe("live"))[0] == 200
        await caller.type("Still there?")
        await caller.hears("transcript", role="agent", text="Still there?", final=True)
        assert await caller.hang_up() == "caller_hangup"
        async with asyncio.timeout(15):
            assert await made.running.wait() == 0, made.log.read_text()
        assert (await made.record(caller.call_id)).end_reason == "caller_hangup"


async def test_a_table_that_is_not_there_is_told_at_the_start(tmp_path: Path, emulator_stores: AwsStores) -> None:
    said = await refused_start(tmp_path, told(emulator_stores, AWS_TABLE="another", PORT="0"))
    assert "AWS has no such place" in said and "another" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["AWS_TABLE", "AWS_BUCKET", "AWS_REGION", "TICKET_PUBLIC_KEYS", "CALL_PEPPER", "SEAL_KEY"])
async def test_what_is_not_told_is_named_at_the_start(tmp_path: Path, emulator_stores: AwsStores, name: str) -> None:
    env = told(emulator_stores, PORT="0")
    said = await refused_start(tmp_path, {key: value for key, value in env.items() if key != name})
    assert f"{name}: STORES=aws needs" in said


async def test_on_one_machine_nobody_needs_boto3(tmp_path: Path) -> None:
    """``nexus run`` and the media plane import without it; asked for, its absence is told."""
    without = "import sys; sys.modules['boto3'] = None; sys.modules['botocore'] = None; "
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    for code, expected in (
        ("import local.cli, local.app, media_plane.__main__, control_plane.wiring", ""),
        (
            "from media_plane.wiring import chosen_stores as c; from nexus.settings.values import load_settings as s\n"
            "try: c(s(None, stores='aws', aws_table='abc', aws_bucket='abc', ticket_public_keys='x', call_pepper='1f' * 32,"
            " seal_key='1f' * 32)).__enter__()\nexcept Exception as error: print(error)",
            "pip install 'nexus-voice-engine[aws]'",
        ),
    ):
        running = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            f"{without}\n{code}",
            env=env,
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(running.communicate(), 30)
        assert running.returncode == 0, said
        assert expected in said.decode()


async def test_nexus_run_refuses_stores_that_it_would_not_use(tmp_path: Path, emulator_stores: AwsStores) -> None:
    (tmp_path / "tenants").mkdir()
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.cli", "run"),
        env=told(emulator_stores, PORT="0", ENVIRONMENT="development", HOME=str(tmp_path)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(running.communicate(), 30)
    assert running.returncode != 0
    assert "leave STORES out" in " ".join(said.decode().split()) and "Traceback" not in said.decode()


async def test_sigterm_while_the_table_is_away_leaves_living_calls_alone(
    tmp_path: Path, lossy_stores: tuple[AwsStores, AwsLine], caplog: pytest.LogCaptureFixture
) -> None:
    stores, line = lossy_stores
    settings = load_settings(None, engine="scripted", data_dir=tmp_path / "data", tenants_dir=tmp_path, port=0)
    clock = Clock(speed=0.001)  # no heartbeat but the one of draining
    async with media_plane(settings, stores, clock, instead=Instead(speech=speech())) as plane:
        line.refuse("PutItem", 100)
        await plane.calls.drain(0.1)
        assert "heartbeat failed" in caplog.text
        assert plane.calls.draining
