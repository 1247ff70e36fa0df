"""Ticket keys change while calls come in: two are taken for a minute, and a key signs by its own algorithm only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from nexus import tickets
from nexus.adapters import keys
from nexus.errors import ConfigurationError, NotAuthorised

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TICKET = tickets.Ticket("call_1", "barber", "nonce_1", NOW + timedelta(seconds=60))


def curve_key(curve: ec.EllipticCurve) -> str:
    key = ec.generate_private_key(curve)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def taken(token: str, public: dict[str, str], now: datetime = NOW) -> str:
    try:
        return tickets.check(token, public, call_id="call_1", now=now).nonce
    except NotAuthorised as refused:
        return refused.code


def test_a_new_key_signs_and_the_old_ones_tickets_are_taken_until_they_have_died(tmp_path: Path) -> None:
    signing = tmp_path / "ticket.pem"
    old = tickets.sign(TICKET, keys.private_key(signing), issued_at=NOW)
    signing.unlink()
    (tmp_path / "ticket.pub.pem").rename(tmp_path / "before.pub.pem")
    new = tickets.sign(TICKET, keys.private_key(signing), issued_at=NOW)
    both = keys.public_keys(tmp_path)
    assert len(both) == 2
    assert (taken(old, both), taken(new, both)) == ("nonce_1", "nonce_1")
    assert taken(old, both, NOW + timedelta(seconds=60)) == "ticket_expired", "nothing of the old key lives: it may go"
    (tmp_path / "before.pub.pem").unlink()
    after = keys.public_keys(tmp_path)
    assert (taken(old, after), taken(new, after)) == ("ticket_invalid", "nonce_1")


def test_keys_of_both_kinds_stand_side_by_side() -> None:
    edwards, curve = tickets.new_private_key(), curve_key(ec.SECP256R1())
    public = {tickets.key_id(pem): pem for pem in map(tickets.public_key_of, (edwards, curve))}
    for private, algorithm in ((edwards, "EdDSA"), (curve, "ES256")):
        token = tickets.sign(TICKET, private, issued_at=NOW)
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert taken(token, public) == "nonce_1"


def test_a_ticket_under_the_name_of_another_key_is_refused() -> None:
    edwards, curve = tickets.new_private_key(), curve_key(ec.SECP256R1())
    crossed = {
        tickets.key_id(tickets.public_key_of(edwards)): tickets.public_key_of(curve),
        tickets.key_id(tickets.public_key_of(curve)): tickets.public_key_of(edwards),
    }
    for private in (edwards, curve):
        assert taken(tickets.sign(TICKET, private, issued_at=NOW), crossed) == "ticket_invalid"


def test_other_curves_are_no_ticket_keys() -> None:
    with pytest.raises(ConfigurationError, match="P-256"):
        tickets.sign(TICKET, curve_key(ec.SECP384R1()), issued_at=NOW)
