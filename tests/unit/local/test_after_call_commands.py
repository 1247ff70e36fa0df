"""The commands after calls, against the served product."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local.serve import serving
from nexus.adapters.embedded import embedded_stores
from nexus.domain.webhook import EventType
from nexus.ports.documents import Put
from tests.aws import client
from tests.emulator import REGION
from tests.fakes.stored import private, record
from tests.fakes.webhook_receiver import receiver, signature_holds
from tests.unit.local.test_administration import OK, Nexus, nexus  # noqa: F401 (a fixture)
from tests.unit.local.test_app import BARBER, settings_of

FAILED = record(1, tenant_id=BARBER, text="Hello").id


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[str]:
    settings = settings_of(tmp_path)
    stores = embedded_stores(settings)
    await stores.archive.put(record(1, tenant_id=BARBER, text="Hello"), private(1, tenant_id=BARBER, days=10_000))
    failure = {"step": "lead", "code": "model_failed", "message": "The key [b]is refused[/b].", "failed_at": "2026-11-21T12:00:00+00:00"}
    await stores.documents.write(BARBER, Put(f"failed/{FAILED}", failure))
    async with serving(settings) as base:
        yield base


async def test_a_receiver_is_named_tried_and_forgotten(nexus: Nexus) -> None:  # noqa: F811
    async with receiver() as crm:
        code, told = await nexus("webhook", "create", BARBER, crm.url, "--event", "call.analyzed")
        hook_id, secret = told.split(";")[0], told.strip().splitlines()[-1]
        assert code == OK and hook_id.startswith("whk_") and secret.startswith("whsec_")
        code, told = await nexus("webhook", "test", BARBER, hook_id)
        assert code == OK and told.startswith("delivered: answered 204")
        # The finished call of this house may be told of too: the trial is looked for by its kind.
        at = [event["type"] for event in crm.events()].index(EventType.WEBHOOK_TEST)
        _, headers, body = crm.requests[at]
        assert signature_holds(headers, body, secret)
        crm.statuses = [500] * 5
        code, told = await nexus("webhook", "test", BARBER, hook_id)
        assert code == 1 and "failed: answered 500" in told
        code, told = await nexus("webhook", "rotate", BARBER, hook_id)
        assert code == OK and told.strip().splitlines()[-1] not in ("", secret)
        code, told = await nexus("webhook", "list", BARBER)
        assert code == OK and hook_id in told and "call.analyzed" in told and "whsec_" not in told
        assert (await nexus("webhook", "delete", BARBER, hook_id))[0] == OK
        assert "has no webhook yet" in (await nexus("webhook", "list", BARBER))[1]
    code, told = await nexus("webhook", "create", BARBER, "http://10.0.0.1/")
    assert code == 1 and "url_not_allowed" in told


async def test_what_failed_is_shown_and_begun_again(nexus: Nexus) -> None:  # noqa: F811
    code, told = await nexus("after-call", "failed", BARBER)
    assert code == OK and FAILED in told and "The key [b]is refused[/b]." in told
    code, told = await nexus("after-call", "redrive", BARBER)
    assert code == OK and f"{FAILED} is begun again" in told
    assert "Nothing" in (await nexus("after-call", "failed", BARBER))[1]
    assert "Nothing" in (await nexus("after-call", "redrive", BARBER, "--session", FAILED))[1]


async def test_dead_letters_go_back_to_their_queue(nexus: Nexus, emulator_url: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for name, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_DEFAULT_REGION", REGION)):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator_url)
    sqs = client("sqs", emulator_url)
    dead, calls = (sqs.create_queue(QueueName=f"of-the-command-{name}")["QueueUrl"] for name in ("dead", "calls"))
    sqs.send_message(QueueUrl=dead, MessageBody="one")
    assert await nexus("after-call", "dead-letters", "--from", dead, "--to", calls) == (OK, "✓ 1 messages go back\n")
    assert await nexus("after-call", "dead-letters", "--from", dead, "--to", calls) == (OK, "No message has been given up.\n")
    assert [one["Body"] for one in sqs.receive_message(QueueUrl=calls)["Messages"]] == ["one"]
