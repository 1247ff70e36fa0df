"""Tickets: only ours, only alive, only for their call."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus import tickets
from nexus.errors import ConfigurationError, NotAuthorised

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRIVATE = tickets.new_private_key()
PUBLIC = tickets.public_key_of(PRIVATE)
KEYS = {tickets.key_id(PUBLIC): PUBLIC}
TICKET = tickets.Ticket("call_1", "barber", "nonce_1", NOW + timedelta(seconds=30))
TOKEN = tickets.sign(TICKET, PRIVATE, issued_at=NOW)


def refusal(token: str, *, call_id: str = "call_1", now: datetime = NOW) -> str:
    with pytest.raises(NotAuthorised) as refused:
        tickets.check(token, KEYS, call_id=call_id, now=now)
    assert not token or token not in str(refused.value)
    return refused.value.code


def _segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _claims(**changes: object) -> dict[str, object]:
    stamp = int(NOW.timestamp())
    return {"iss": "nexus", "aud": "nexus-media", "sub": "call_1", "ten": "barber", "jti": "n", "iat": stamp, "exp": stamp + 30} | changes


def test_a_ticket_comes_back_as_it_was_signed() -> None:
    assert tickets.check(TOKEN, KEYS, call_id="call_1", now=NOW) == TICKET


def test_no_ticket_is_missing() -> None:
    assert refusal("") == "ticket_missing"


def test_a_ticket_for_another_call_is_refused() -> None:
    assert refusal(TOKEN, call_id="call_2") == "ticket_wrong_call"


def test_a_ticket_expires_to_the_second() -> None:
    tickets.check(TOKEN, KEYS, call_id="call_1", now=NOW + timedelta(seconds=29))
    assert refusal(TOKEN, now=NOW + timedelta(seconds=30)) == "ticket_expired"


def test_no_ticket_lives_longer_than_a_minute() -> None:
    long = tickets.Ticket("call_1", "barber", "n", NOW + timedelta(days=1))
    token = tickets.sign(long, PRIVATE, issued_at=NOW)
    assert tickets.check(token, KEYS, call_id="call_1", now=NOW).expires_at == NOW + timedelta(seconds=60)
    assert refusal(token, now=NOW + timedelta(seconds=60)) == "ticket_expired"


def test_a_key_of_somebody_else_is_refused() -> None:
    other = tickets.new_private_key()
    assert refusal(tickets.sign(TICKET, other, issued_at=NOW)) == "ticket_invalid"
    forged = jwt.encode(_claims(), other, algorithm="EdDSA", headers={"kid": next(iter(KEYS))})
    assert refusal(forged) == "ticket_invalid"


def test_alg_none_is_refused() -> None:
    header = {"alg": "none", "typ": "JWT", "kid": next(iter(KEYS))}
    assert refusal(f"{_segment(header)}.{_segment(_claims())}.") == "ticket_invalid"


def test_the_public_key_is_no_hmac_secret() -> None:
    signed = f"{_segment({'alg': 'HS256', 'typ': 'JWT', 'kid': next(iter(KEYS))})}.{_segment(_claims())}"
    mac = hmac.new(PUBLIC.encode(), signed.encode(), hashlib.sha256).digest()
    forged = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert refusal(forged) == "ticket_invalid"


@pytest.mark.parametrize(
    "changes", [{"aud": "other"}, {"iss": "other"}, {"exp": None}, {"exp": "soon"}, {"sub": None}, {"ten": None}, {"jti": None}]
)
def test_claims_that_are_not_ours_are_refused(changes: dict[str, object]) -> None:
    claims = {name: value for name, value in _claims(**changes).items() if value is not None}
    token = jwt.encode(claims, PRIVATE, algorithm="EdDSA", headers={"kid": next(iter(KEYS))})
    assert refusal(token) == "ticket_invalid"


@given(st.integers(0, len(TOKEN) - 2), st.sampled_from("AZaz09-_."))
def test_a_changed_character_is_refused(at: int, character: str) -> None:
    """The last character of a segment may hold unused bits, so only what decodes to other bytes counts."""
    changed = TOKEN[:at] + character + TOKEN[at + 1 :]
    if changed.split(".") != TOKEN.split(".") and at + 1 < len(TOKEN) and TOKEN[at + 1] != ".":
        assert refusal(changed) == "ticket_invalid"


@given(st.text(min_size=1, max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(NotAuthorised):
        tickets.check(text, KEYS, call_id="call_1", now=NOW)


@pytest.mark.parametrize("pem", ["", "nonsense", PUBLIC])
def test_a_wrong_signing_key_is_a_setting_to_mend(pem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        tickets.sign(TICKET, pem, issued_at=NOW)
    assert refused.value.code == "setting_invalid"
