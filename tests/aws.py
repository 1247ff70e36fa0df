"""The stores in AWS for tests: in process (moto), and over the emulator; each test with a table and a bucket of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import Any

import boto3
import pytest
from moto import mock_aws

from nexus.adapters.aws import AwsPlace, AwsStores, aws_stores
from nexus.adapters.aws.items import unmarshalled
from nexus.adapters.aws.schema import create_bucket, create_table
from tests.emulator import REGION, emulator
from tests.fakes.aws_line import AwsLine, aws_line

AWS = ("moto", "emulator")
"""Parameters of a fixture for which ``aws`` gives the stores."""
_PATIENCE_S = 120.0
"""Two hundred who ask at once wait in line for the few threads; how long is the machine's affair."""
_numbers = itertools.count(1)
_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def moto() -> Iterator[None]:
    """AWS in this process. Once a module: it forgets boto3's session when it begins, and clients are slow to make without."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        set_credentials(patch)
        yield


@pytest.fixture
def moto_stores(moto: None) -> Iterator[AwsStores]:
    """Over moto. One request at a time: its transactions undo what others wrote meanwhile."""
    with _stores("", workers=1) as stores:
        yield stores


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """The running emulator."""
    with emulator() as url:
        yield url


@pytest.fixture
def emulator_stores(emulator_url: str) -> Iterator[AwsStores]:
    """Over the emulator, many requests at a time."""
    with pytest.MonkeyPatch.context() as patch:
        set_credentials(patch)
        with _stores(emulator_url, workers=8) as stores:
            yield stores


@pytest.fixture
def more_emulator_stores(emulator_url: str) -> Iterator[AwsStores]:
    """Another table and another bucket beside those of ``emulator_stores``."""
    with pytest.MonkeyPatch.context() as patch:
        set_credentials(patch)
        with _stores(emulator_url, workers=8) as stores:
            yield stores


@pytest.fixture
def lossy_stores(emulator_url: str) -> Iterator[tuple[AwsStores, AwsLine]]:
    """Over the emulator, by a line that counts requests and can lose answers."""
    with pytest.MonkeyPatch.context() as patch, aws_line(emulator_url) as line:
        set_credentials(patch)
        with _stores(emulator_url, workers=8, by=line.url) as stores:
            yield stores, line


def aws(request: pytest.FixtureRequest) -> AwsStores:
    """The stores that the parameter of a fixture asks for."""
    stores: AwsStores = request.getfixturevalue(f"{request.param}_stores")
    return stores


def new_place(endpoint_url: str, *, workers: int) -> AwsPlace:
    """A fresh table and a fresh bucket."""
    name = f"nexus-test-{next(_numbers)}"
    place = AwsPlace(table=name, bucket=name, region=REGION, endpoint_url=endpoint_url, workers=workers, deadline_s=_PATIENCE_S)
    create_table(client("dynamodb", endpoint_url), name, expiring=False)  # the times of tests are not those of the machine
    create_bucket(client("s3", endpoint_url), name)
    return place


def items_of(stores: AwsStores, partition: str) -> list[dict[str, Any]]:
    """What really lies in a partition."""
    place = stores.connection.place
    asked = {"TableName": place.table, "KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": {"S": partition}}}
    found = client("dynamodb", place.endpoint_url).query(**asked)["Items"]
    return [unmarshalled(one) for one in found]


@cache
def client(service: Any, endpoint_url: str) -> Any:
    """A client is slow to make, and knows nothing of a test."""
    return boto3.client(service, region_name=REGION, endpoint_url=endpoint_url or None)


def set_credentials(patch: pytest.MonkeyPatch) -> None:
    for name, value in _CREDENTIALS.items():
        patch.setenv(name, value)


@contextmanager
def _stores(endpoint_url: str, *, workers: int, by: str = "") -> Iterator[AwsStores]:
    place = new_place(endpoint_url, workers=workers)
    stores = aws_stores(replace(place, endpoint_url=by or place.endpoint_url))
    try:
        yield stores
    finally:
        stores.close()
