"""Logs: tagged, one line each, without secrets or whole phone numbers."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus import tickets
from nexus.context import working_for
from nexus.domain.trace import trace_id_of
from nexus.logs import scrub, set_up_logging
from tests.growth import grows_in_proportion

SECRETS = {
    "key": "AIzaSyD-1234567890abcdefghijklmnopqrstu",
    "jwt": "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYWxsXzEifQ.c2lnbmF0dXJl",
    "pem": "MC4CAQAwBQYDK2VwBCIEIA",
}
PHONES = ["+972501234567", "050-123-4567", "(555) 123-4567", "+1 555 123 4567", "0501234567"]


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level


def _seed(stream: io.StringIO, form: Literal["COLOR", "JSON"]) -> str:
    set_up_logging("DEBUG", form, stream)
    log = logging.getLogger("nexus.test")
    log.info("key %s", SECRETS["key"])
    log.info("GET /v1/calls headers=%s", {"Authorization": f"Bearer {SECRETS['jwt']}", "sec-websocket-protocol": f"token.{SECRETS['jwt']}"})
    log.info(f"-----BEGIN PRIVATE KEY-----\n{SECRETS['pem']}\n-----END PRIVATE KEY-----")
    for phone in PHONES:
        log.info("caller %s and customer_phone=%s phone:%s", phone, phone.replace("+", "%2B"), phone)
    try:
        raise ValueError(f"no route to {PHONES[0]} with api_key={SECRETS['key']}")
    except ValueError:
        log.exception("dial %s failed", PHONES[1])
    return stream.getvalue()


@pytest.mark.parametrize("form", ["COLOR", "JSON"])
def test_seeded_secrets_and_phones_are_nowhere(logged: io.StringIO, form: Literal["COLOR", "JSON"]) -> None:
    text = _seed(logged, form)
    for secret in SECRETS.values():
        assert secret not in text
    digits = re.sub(r"[^\d]", "", text)
    for phone in PHONES:
        assert phone not in text
        assert re.sub(r"\D", "", phone) not in digits
    assert "…67" in text
    assert "ValueError" in text


@pytest.mark.parametrize("form", ["COLOR", "JSON"])
@pytest.mark.parametrize("tenant", ["acme", "acme-shop", "acme_shop", "a-b_c-d", "nx_live_x"])
def test_api_keys_are_hidden_whole(logged: io.StringIO, form: Literal["COLOR", "JSON"], tenant: str) -> None:
    """Whatever stands in the tenant's id within them."""
    set_up_logging("INFO", form, logged)
    secret = "01KAQ2Z3M4N5P6Q7R8S9T0V1W2" + "Sx7" * 14 + "a"
    for kind in ("live", "test", "pub"):
        logging.getLogger("x").info("asked with nx_%s_%s_%s, %s", kind, tenant, secret, f"nx_{kind}_{tenant}_{secret}.")
    logging.getLogger("x").info("signed with whsec_%s", "Ab+/" * 8)
    assert "Sx7" not in logged.getvalue() and "Ab+/" not in logged.getvalue()


@pytest.mark.parametrize("form", ["COLOR", "JSON"])
def test_a_real_ticket_is_hidden(logged: io.StringIO, form: Literal["COLOR", "JSON"]) -> None:
    set_up_logging("INFO", form, logged)
    pem = tickets.new_private_key()
    logging.getLogger("x").warning("leaked %s", pem)
    assert pem.splitlines()[1] not in logged.getvalue()


def test_color_lines_carry_the_ids(logged: io.StringIO) -> None:
    set_up_logging("INFO", "COLOR", logged)
    with working_for(tenant_id="barber", call_id="call_1", request_id="req_1"):
        logging.getLogger("nexus.api").info("started %s", "now")
    assert re.fullmatch(
        r"\[\d\d:\d\d:\d\d\] \[INFO    \] \[T: barber\] \[C: call_1\] \[R: req_1\] nexus\.api: started now\n", logged.getvalue()
    )


def test_json_lines_carry_the_ids(logged: io.StringIO) -> None:
    set_up_logging("INFO", "JSON", logged)
    with working_for(tenant_id="barber", call_id="call_1", request_id="req_1"):
        logging.getLogger("nexus.api").warning("שלום\nline two")
    entry = json.loads(logged.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
    assert entry == {
        "level": "WARNING",
        "tenant": "barber",
        "call": "call_1",
        "trace_id": trace_id_of("call_1"),
        "request_id": "req_1",
        "logger": "nexus.api",
        "msg": "שלום\nline two",
    }
    assert logged.getvalue().count("\n") == 1


def test_a_caller_cannot_forge_a_line_or_paint_the_terminal(logged: io.StringIO) -> None:
    set_up_logging("INFO", "COLOR", logged)
    logging.getLogger("x").info("said %s", "hi\n[10:00:00] [ERROR   ] forged\x1b[31m\x9b31m\u2028\u202e")
    assert logged.getvalue().count("\n") == 1
    assert "\x1b" not in logged.getvalue()


def test_a_terminal_gets_colours() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Terminal()
    try:
        set_up_logging("INFO", "COLOR", stream)
        logging.getLogger("x").error("red")
    finally:
        root.handlers[:], root.level = handlers, level
    assert "\x1b[31m" in stream.getvalue()


def test_the_level_holds_and_a_second_set_up_replaces_the_first(logged: io.StringIO) -> None:
    set_up_logging("INFO", "COLOR", io.StringIO())
    set_up_logging("WARNING", "COLOR", logged)
    logging.getLogger("x").info("unseen")
    logging.getLogger("x").warning("seen")
    assert "unseen" not in logged.getvalue()
    assert logged.getvalue().count("seen") == 1


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21 04:47:41.123456",
        "listening on 127.0.0.1:8000 and 192.168.100.100",
        "took 12.3456789 s",
        "call_01KAK2V4000000000000000001 ended",
        "sha256:0123456789abcdef0123456789abcdef",
        "ten calls, 20 slots, 1500 ms",
    ],
)
def test_what_is_no_phone_is_left(text: str) -> None:
    assert scrub(text) == text


@given(st.text("0123456789", min_size=7, max_size=15), st.sampled_from(["", "+", "tel:", "phone=", "'", "(", "=%2B"]))
def test_a_phone_keeps_two_digits(digits: str, before: str) -> None:
    text = scrub(f"caller {before}{digits} rang")
    assert f"…{digits[-2:]}" in text
    assert digits not in text


@pytest.mark.parametrize(
    "again",
    [
        "a",
        "-",
        "secret",
        "secret ",
        "ticket='",
        "eyJ",
        "eyJaaaaa.",
        "-----BEGIN A-----",
        "token.",
        "nx_pub_",
        "1.",
        "+1 ",
        "(1",
        "%2B1",
        " 1.1111",
    ],
)
def test_a_line_of_a_strangers_making_is_written_at_once(again: str) -> None:
    """The path of any request is logged, up to 64 KB of it: one of letters alone held up all calls for a minute, once."""
    assert grows_in_proportion(lambda size: scrub(again * (size // len(again))), 64_000)
