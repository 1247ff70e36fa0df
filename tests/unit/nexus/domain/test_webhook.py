"""Signatures as the specification has them, retries, pauses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.webhook import (
    MOST_ATTEMPTS,
    PAUSE_AFTER,
    RETRY_AFTER_S,
    event_id,
    new_secret,
    next_attempt,
    pause_reason,
    sign,
    signed_headers,
)
from tests.fakes.webhook_receiver import signature_holds

ROOT = Path(__file__).parents[4]
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_the_specifications_own_example() -> None:
    """**Source:** github.com/standard-webhooks/standard-webhooks, the vector that every library of it is tested with."""
    signature = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.binary(max_size=200), entropy=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=2, unique=True))
def test_every_live_secret_signs_and_no_other_holds(body: bytes, entropy: list[bytes]) -> None:
    secrets = [new_secret(one) for one in entropy]
    headers = signed_headers("evt_1", NOON, body, secrets)
    assert headers["webhook-timestamp"] == str(int(NOON.timestamp()))
    assert all(signature_holds(headers, body, secret) for secret in secrets)
    assert not signature_holds(headers, body + b" ", secrets[0])
    assert not signature_holds(headers, body, new_secret(b"x" * 32))
    assert not signature_holds({**headers, "webhook-id": "evt_2"}, body, secrets[0])


def test_a_secret_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        sign("evt_1", "1", b"", "whsec_***")


def test_waits_grow_from_five_seconds_to_a_day_and_end() -> None:
    waits = []
    for attempts in range(1, MOST_ATTEMPTS):
        at = next_attempt("whk_1/evt_1", attempts, NOON)
        assert at is not None
        waits.append((at - NOON).total_seconds())
    assert 5 <= waits[0] <= 5.5 and 86_400 <= waits[-1] <= 95_040
    assert all(planned <= wait <= planned * 1.1 for planned, wait in zip(RETRY_AFTER_S, waits, strict=True))
    assert waits == sorted(waits)
    assert next_attempt("whk_1/evt_1", MOST_ATTEMPTS, NOON) is None


def test_a_receiver_may_ask_for_a_longer_wait_up_to_a_day() -> None:
    asked = next_attempt("m", 1, NOON, 600)
    assert asked is not None and asked - NOON >= timedelta(seconds=600)
    endless = next_attempt("m", 1, NOON, 10**7)
    assert endless is not None and endless - NOON <= timedelta(days=1.1)


def test_messages_that_failed_together_do_not_come_back_together() -> None:
    assert len({next_attempt(f"whk_1/evt_{number}", 3, NOON) for number in range(20)}) == 20


def test_who_is_left_alone() -> None:
    long_ago = NOON - PAUSE_AFTER
    assert pause_reason(410, 1, NOON, NOON) == "gone"
    assert pause_reason(500, 10, long_ago, NOON) == "failing"
    assert pause_reason(None, 9, long_ago, NOON) == ""
    assert pause_reason(500, 100, long_ago + timedelta(seconds=1), NOON) == ""


@given(parts=st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_an_event_has_one_id_and_another_event_another(parts: list[str]) -> None:
    made = event_id(NOON, *parts)
    assert made == event_id(NOON, *parts) and len(made) == 30
    assert made != event_id(NOON, *parts, "more")
    assert made[:14] == event_id(NOON, "other")[:14] < event_id(NOON + timedelta(seconds=1), *parts)[:14]


def test_the_documents_own_check_takes_what_is_ours_and_nothing_else() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "webhooks.md").read_text(), re.DOTALL)
    told: dict[str, Any] = {}
    exec(example, told)  # noqa: S102 (our own document)
    body, secret, now = b'{"id": 1}', new_secret(b"s" * 32), datetime.now(UTC)
    headers = signed_headers("evt_1", now, body, [new_secret(b"t" * 32), secret])
    assert told["is_ours"](headers, body, secret)
    assert not told["is_ours"](headers, b"{}", secret)
    assert not told["is_ours"](signed_headers("evt_1", now - timedelta(minutes=6), body, [secret]), body, secret)
