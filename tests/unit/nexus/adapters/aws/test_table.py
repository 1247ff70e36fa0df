"""The table under AWS's refusals, which no emulator makes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import ANY, Stubber

import nexus.adapters.aws as adapters
from nexus.adapters.aws import AwsPlace, AwsStores, connection, table
from nexus.adapters.aws.connection import Connection, translated
from nexus.adapters.aws.items import item, unmarshalled
from nexus.adapters.aws.keys import Key
from nexus.adapters.aws.schema import LIFECYCLE, TABLE, TIME_TO_LIVE, create_table
from nexus.adapters.aws.table import ABSENT, Range, Table
from nexus.errors import StoreError, Unavailable
from tests.aws import client

PLACE = AwsPlace(table="t", bucket="b", region="us-east-1", workers=1)
KEY = Key("p", "s")
CANCELLED = "TransactionCanceledException"


class Refusing:
    """A table whose client answers what a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        self.connection = Connection(PLACE)
        self.table = Table(self.connection)
        self.stub = Stubber(self.table._client)
        self.stub.activate()

    def cancelled(self, *reasons: str) -> None:
        said = {"CancellationReasons": [{"Code": reason} for reason in reasons]}
        self.stub.add_client_error("transact_write_items", CANCELLED, modeled_fields=said)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    monkeypatch.setattr(table, "_PAUSE_MS", 0)
    made = Refusing(monkeypatch)
    yield made
    made.connection.close()


async def test_a_transaction_that_meets_another_is_tried_again(refusing: Refusing) -> None:
    refusing.cancelled("None", "TransactionConflict")
    refusing.stub.add_response("transact_write_items", {})
    parts = [refusing.table.put_part(item(KEY)), refusing.table.delete_part(Key("p", "t"))]
    assert await refusing.table.write_together(parts) == (True, True)


class Told:
    """Equal to anything; keeps what it was compared with."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def __eq__(self, other: object) -> bool:
        self.seen.append(other)
        return True

    __hash__ = None  # type: ignore[assignment]


async def test_a_transaction_that_is_still_under_way_is_asked_for_again_under_its_own_token(refusing: Refusing) -> None:
    told = Told()
    asked = {"TransactItems": ANY, "ClientRequestToken": told}
    refusing.stub.add_client_error("transact_write_items", "TransactionInProgressException", expected_params=asked)
    refusing.stub.add_response("transact_write_items", {}, asked)
    refusing.stub.add_response("transact_write_items", {}, asked)
    parts = [refusing.table.put_part(item(KEY))]
    for _ in range(2):
        assert await refusing.table.write_together(parts) == (True,)
    first, again, second = (str(one) for one in told.seen[:3])
    assert first == again != second


async def test_a_writing_that_meets_a_transaction_is_tried_again(refusing: Refusing) -> None:
    refusing.stub.add_client_error("put_item", "TransactionConflictException")
    refusing.stub.add_response("put_item", {})
    assert await refusing.table.put(item(KEY)) is None


async def test_it_says_so_when_others_never_let_it_through(refusing: Refusing) -> None:
    for _ in range(8):
        refusing.cancelled("TransactionConflict")
    with pytest.raises(Unavailable) as refused:
        await refusing.table.write_together([refusing.table.put_part(item(KEY))])
    assert refused.value.retryable
    refusing.stub.assert_no_pending_responses()


async def test_a_condition_that_does_not_hold_wins_over_a_conflict(refusing: Refusing) -> None:
    refusing.cancelled("TransactionConflict", "ConditionalCheckFailed")
    parts = [refusing.table.put_part(item(KEY)), refusing.table.check_part(Key("p", "t"), ABSENT)]
    assert await refusing.table.write_together(parts) == (True, False)


async def test_a_transaction_that_is_wrong_in_itself_is_not_tried_again(refusing: Refusing) -> None:
    refusing.cancelled("ValidationError")
    with pytest.raises(StoreError):
        await refusing.table.write_together([refusing.table.put_part(item(KEY))])


async def test_what_a_batch_leaves_undone_is_done_after(refusing: Refusing) -> None:
    left = {"t": [{"DeleteRequest": {"Key": {"pk": {"S": "p"}, "sk": {"S": "s"}}}}]}
    refusing.stub.add_response("batch_write_item", {"UnprocessedItems": left})
    refusing.stub.add_response("batch_write_item", {}, {"RequestItems": left})
    await refusing.table.delete_many([KEY, Key("p", "t")])
    undone = {"t": {"Keys": [{"pk": {"S": "p"}, "sk": {"S": "s"}}]}}
    refusing.stub.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": undone})
    refusing.stub.add_response("batch_get_item", {"Responses": {"t": [{"pk": {"S": "p"}, "sk": {"S": "s"}}]}}, {"RequestItems": undone})
    assert await refusing.table.get_many([KEY]) == ({"pk": "p", "sk": "s"},)


async def test_pages_are_read_only_as_far_as_they_are_wanted(refusing: Refusing) -> None:
    first: dict[str, Any] = {"Items": [{"sk": {"S": "1"}}], "LastEvaluatedKey": {"sk": {"S": "1"}}}
    refusing.stub.add_response("query", first)
    refusing.stub.add_response(
        "query", {"Items": [{"sk": {"S": "2"}}]}, {**dict.fromkeys(_QUERY, ANY), "ExclusiveStartKey": {"sk": {"S": "1"}}}
    )
    seen = [str(found["sk"]) async for found in refusing.table.query(Range("p"))]
    assert seen == ["1", "2"]
    refusing.stub.add_response("query", first)
    async for _ in refusing.table.query(Range("p")):
        break
    refusing.stub.assert_no_pending_responses()


_QUERY = (
    "TableName",
    "KeyConditionExpression",
    "ScanIndexForward",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ConsistentRead",
)


@pytest.mark.parametrize(
    ("code", "kind", "word"),
    [
        ("AccessDeniedException", Unavailable, "role"),
        ("ResourceNotFoundException", Unavailable, "deploy"),
        ("ThrottlingException", Unavailable, "try again"),
        ("InternalServerError", Unavailable, "try again"),
        ("ValidationException", StoreError, "defect"),
    ],
)
async def test_aws_refusals_are_ours_and_name_the_fix(refusing: Refusing, code: str, kind: type[StoreError], word: str) -> None:
    refusing.stub.add_client_error("get_item", code, "User arn:aws:sts::123456789012:assumed-role/x is not authorized")
    with pytest.raises(StoreError) as refused:
        await refusing.table.get(KEY)
    assert type(refused.value) is kind
    assert refused.value.code == "store_unavailable"
    assert word in refused.value.public_message
    assert "123456789012" not in refused.value.public_message


def test_an_unreachable_aws_is_unavailable() -> None:
    assert isinstance(translated(EndpointConnectionError(endpoint_url="x"), PLACE), Unavailable)
    assert isinstance(translated(ClientError({}, "GetItem"), PLACE), Unavailable)


async def test_a_request_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "DEADLINE_S", 0.01)
    slow = Connection(PLACE)
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    with pytest.raises(Unavailable):
        await slow.send(lambda: asyncio.run_coroutine_threadsafe(done.wait(), loop).result(5))
    done.set()
    slow.close()


def test_an_item_of_a_newer_release_is_refused() -> None:
    assert unmarshalled({"v": {"N": "1"}, "a": {"BOOL": False}}) == {"v": 1, "a": False}
    with pytest.raises(StoreError):
        unmarshalled({"v": {"N": "2"}})


def test_nothing_scans() -> None:
    sources = [path.read_text() for path in Path(str(adapters.__file__)).parent.glob("*.py")]
    assert len(sources) > 10
    assert not [text for text in sources if re.search(r"\.scan\(|execute_statement|['\"](?:Scan|scan)['\"]", text)]


def test_the_table_is_made_as_the_data_says(moto_stores: AwsStores) -> None:
    create_table(client("dynamodb", ""), "made")
    made = client("dynamodb", "").describe_table(TableName="made")["Table"]
    assert made["StreamSpecification"] == TABLE["StreamSpecification"]
    assert [one["IndexName"] for one in made["GlobalSecondaryIndexes"]] == [table.INDEX]
    lives = client("dynamodb", "").describe_time_to_live(TableName="made")["TimeToLiveDescription"]
    assert lives == {"TimeToLiveStatus": "ENABLED", "AttributeName": TIME_TO_LIVE["AttributeName"]}
    assert {rule["Filter"]["Prefix"] for rule in LIFECYCLE["Rules"]} == {"private/", "expiry/", "lake/errors/", ""}
