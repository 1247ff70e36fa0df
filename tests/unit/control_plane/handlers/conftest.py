"""The functions as Lambda loads them: an environment, AWS in this process, an issuer of tokens, and fresh modules for each test."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, TypeVar

import pytest

from nexus import tickets
from nexus.adapters.aws import AwsPlace, AwsStores, aws_stores
from nexus.adapters.aws.installation import for_authorizer, for_reader
from nexus.domain.call import MediaProcess
from tests.aws import client, new_place
from tests.fakes.issuer import AUDIENCE, claims, issuer_server, token
from tests.fakes.lambda_events import Context, http_request

Served = TypeVar("Served")
PACKAGE = "control_plane.handlers"
KEYS = {
    "ticket_private_key": tickets.new_private_key(),
    "cursors": "1f" * 32,
    "api_keys": "2f" * 32,
    "seal": "3f" * 32,
    "gemini_api_key": "",
}
SHARES: dict[str, Callable[[Mapping[str, str]], dict[str, str]]] = {"authorizer": for_authorizer, "after_call": for_reader}
"""Functions with a secret of their own; the API has the whole one, the others none."""
SEALING = ("api", "webhooks")
"""Functions that are told the key of KMS."""


@contextmanager
def in_a_thread(opened: Callable[[], AbstractAsyncContextManager[Served]]) -> Iterator[Served]:
    """A fake server on a loop of its own: functions run loops themselves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    manager = opened()
    try:
        yield asyncio.run_coroutine_threadsafe(manager.__aenter__(), loop).result(10)
    finally:
        asyncio.run_coroutine_threadsafe(manager.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@dataclass
class Deployment:
    """What a stack would have made."""

    place: AwsPlace
    queue_url: str
    kms_key: str
    issuer: str
    patch: pytest.MonkeyPatch
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)

    def load(self, name: str) -> ModuleType:
        """A cold start of one function, which is told of the secret with its share of the keys, if of any, as by the stack."""
        secret = self.place.table if name == "api" else f"{self.place.table}-{name}" if name in SHARES else ""
        self.patch.setenv("NEXUS_KEYS_SECRET", secret)
        self.patch.setenv("NEXUS_KMS_KEY", self.kms_key if name in SEALING else "")
        sys.modules.pop(f"{PACKAGE}.{name}", None)
        return importlib.import_module(f"{PACKAGE}.{name}")

    def keys(self, **changed: str) -> None:
        """What the secret holds, and those with shares of it."""
        held = KEYS | changed
        whole: dict[str, Callable[[Mapping[str, str]], dict[str, str]]] = {"": dict}
        for suffix, share in (whole | {f"-{name}": share for name, share in SHARES.items()}).items():
            client("secretsmanager", "").put_secret_value(SecretId=self.place.table + suffix, SecretString=json.dumps(share(held)))

    def person(self, *roles: str, tenant_id: str = "") -> str:
        """What a signed-in person's browser sends."""
        told = claims(iss=self.issuer, **{"cognito:groups": [*roles], "custom:tenant_id": tenant_id or None})
        return f"Bearer {token(told)}"

    def queued(self) -> list[dict[str, Any]]:
        """The messages on the queue."""
        found = client("sqs", "").receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [json.loads(one["Body"]) for one in found.get("Messages", ())]

    def analytics(self) -> list[dict[str, Any]]:
        """The rows that the stream has written."""
        s3 = client("s3", "")
        listed = s3.list_objects_v2(Bucket=self.place.bucket, Prefix="raw/").get("Contents", ())
        texts = [s3.get_object(Bucket=self.place.bucket, Key=one["Key"])["Body"].read().decode() for one in listed]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    def with_stores(self, work: Callable[[AwsStores], Any]) -> Any:
        """Do something with the stores themselves."""
        stores = aws_stores(self.place)
        try:
            return self.runner.run(work(stores))
        finally:
            stores.close()

    async def engine_slots(self, stores: AwsStores) -> None:
        """A media process reports in."""
        process = MediaProcess(process_id="media-1", url="wss://media.example.com", engine="scripted", slots=4, seen_at=datetime.now(UTC))
        await stores.ledger.heartbeat(process)


@dataclass
class Door:
    """The API's function, asked as API Gateway asks it."""

    module: ModuleType

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, document, headers."""
        answer = self.module.handler(http_request(method, path, body, **headers), Context())
        return answer["statusCode"], json.loads(answer["body"] or "{}"), answer["headers"]


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with in_a_thread(issuer_server) as served:
        yield served.issuer


@contextmanager
def deployed(issuer: str, patch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A fresh table, bucket, queue, stream and secret, and the environment that names them."""
    place = new_place("", workers=1)
    queue_url = client("sqs", "").create_queue(QueueName=place.table)["QueueUrl"]
    for suffix in ("", *(f"-{name}" for name in SHARES)):
        client("secretsmanager", "").create_secret(Name=place.table + suffix)
    kms_key = client("kms", "").create_key()["KeyMetadata"]["Arn"]
    destination = {"RoleARN": "arn:aws:iam::123456789012:role/x", "BucketARN": f"arn:aws:s3:::{place.bucket}", "Prefix": "raw/"}
    client("firehose", "").create_delivery_stream(DeliveryStreamName=place.table, S3DestinationConfiguration=destination)
    told = {
        "AWS_DEFAULT_REGION": place.region,
        "NEXUS_TABLE": place.table,
        "NEXUS_BUCKET": place.bucket,
        "NEXUS_CALLS_QUEUE_URL": queue_url,
        "NEXUS_ANALYTICS_STREAM": place.table,
        "NEXUS_MAX_RECEIVES": "3",
        "PUBLIC_URL": "https://media.example.com",
        "ENGINE": "scripted",
        "OIDC_ISSUER": issuer,
        "OIDC_AUDIENCE": AUDIENCE,
    }
    for name, value in told.items():
        patch.setenv(name, value)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    made = Deployment(place, queue_url, kms_key, issuer, patch)
    made.keys()
    try:
        yield made
    finally:
        made.runner.close()
        root.handlers[:] = handlers
        root.setLevel(level)


@pytest.fixture
def deployment(moto: None, issuer: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    with deployed(issuer, monkeypatch) as made:
        yield made


@pytest.fixture
def door(deployment: Deployment) -> Door:
    return Door(deployment.load("api"))
