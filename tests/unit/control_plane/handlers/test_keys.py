"""Keys are made once and never replaced; a signing key is turned without a ticket being refused; CloudFormation is always told."""

from __future__ import annotations

import importlib
import itertools
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import ModuleType
from typing import Any

import pytest

from control_plane.handlers.environment import read_keys
from nexus import tickets
from nexus.adapters.keys import public_keys_of
from nexus.errors import ConfigurationError, NotAuthorised
from tests.aws import client
from tests.fakes.lambda_events import Context

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TICKET = tickets.Ticket("call_1", "barber", "nonce_1", NOW + timedelta(seconds=30))
_numbers = itertools.count(1)
SHARES = {
    "NEXUS_MEDIA_SECRET": {"ticket_public_keys", "call_pepper", "seal", "gemini_api_key"},
    "NEXUS_AUTHORIZER_SECRET": {"api_keys"},
    "NEXUS_READER_SECRET": {"gemini_api_key"},
}


@dataclass
class Installation:
    """Empty secrets, as the stack makes them, and the function."""

    control: str
    shares: dict[str, str]
    function: ModuleType

    @property
    def media(self) -> str:
        return self.shares["NEXUS_MEDIA_SECRET"]

    def ask(self, **event: Any) -> Any:
        return self.function.handler(event, Context())

    def held(self, name: str) -> dict[str, str]:
        return dict(json.loads(client("secretsmanager", "").get_secret_value(SecretId=name)["SecretString"]))

    def versions(self, name: str) -> int:
        return len(client("secretsmanager", "").list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"])

    def sign(self) -> str:
        return tickets.sign(TICKET, self.held(self.control)["ticket_private_key"], issued_at=NOW)

    def takes(self, token: str) -> bool:
        """Whether a media process that reads its secret now lets the caller in."""
        public = public_keys_of(self.held(self.media)["ticket_public_keys"])
        try:
            tickets.check(token, public, call_id=TICKET.call_id, now=NOW)
        except NotAuthorised:
            return False
        return True


@pytest.fixture
def installation(moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    secrets = client("secretsmanager", "")
    number = next(_numbers)
    named = {one: secrets.create_secret(Name=f"{one}-{number}")["ARN"] for one in ("NEXUS_KEYS_SECRET", *SHARES)}
    for name, value in {**named, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("control_plane.handlers.keys", None)
    handlers = logging.getLogger().handlers[:]
    yield Installation(named.pop("NEXUS_KEYS_SECRET"), named, importlib.import_module("control_plane.handlers.keys"))
    logging.getLogger().handlers[:] = handlers


@contextmanager
def cloudformation() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address to which a function tells how it went, and what it told."""
    told: list[dict[str, Any]] = []

    class Takes(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            told.append({**json.loads(self.rfile.read(int(self.headers["Content-Length"]))), "type": self.headers["Content-Type"]})
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Takes)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/answer?signed=yes", told
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def request(url: str, kind: str = "Create") -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "stack",
        "RequestId": "r1",
        "LogicalResourceId": "KeysMade",
        "ResourceProperties": {},
    }


def test_the_stack_has_keys_that_both_planes_can_use(installation: Installation) -> None:
    with cloudformation() as (url, told):
        installation.ask(**request(url))
    (answer,) = told
    assert (answer["Status"], answer["RequestId"], answer["LogicalResourceId"], answer["type"]) == ("SUCCESS", "r1", "KeysMade", "")
    read_keys(installation.held(installation.control), ("ticket_private_key", "cursors", "api_keys", "seal"))
    assert installation.takes(installation.sign())


def test_each_reader_has_its_share_and_nobody_else_a_private_key(installation: Installation) -> None:
    installation.ask(gemini_api_key="given")
    control = installation.held(installation.control)
    held = {name: installation.held(secret) for name, secret in installation.shares.items()}
    assert {name: set(share) for name, share in held.items()} == SHARES
    assert "PRIVATE" not in json.dumps(held)
    assert held["NEXUS_AUTHORIZER_SECRET"]["api_keys"] == control["api_keys"]
    assert held["NEXUS_READER_SECRET"]["gemini_api_key"] == "given"


def test_the_media_plane_has_what_it_needs(installation: Installation) -> None:
    installation.ask()
    media, control = installation.held(installation.media), installation.held(installation.control)
    assert "PRIVATE" not in json.dumps(media)
    assert not {control["cursors"], control["api_keys"]} & set(media.values())
    assert media["seal"] == control["seal"]
    assert len(media["call_pepper"]) >= 64


def test_what_is_there_stays_and_nothing_is_written_twice(installation: Installation) -> None:
    installation.ask()
    before = installation.held(installation.control)
    with cloudformation() as (url, told):
        installation.ask(**request(url, "Update"))
    assert installation.held(installation.control) == before
    assert {installation.versions(one) for one in (installation.control, *installation.shares.values())} == {1}
    assert told[0]["Status"] == "SUCCESS"


def test_keys_outlive_the_stack(installation: Installation) -> None:
    installation.ask()
    with cloudformation() as (url, told):
        installation.ask(**request(url, "Delete"))
    assert told[0]["Status"] == "SUCCESS"
    assert installation.held(installation.control)


def test_what_an_operator_put_there_by_hand_is_kept_and_the_rest_filled_in(installation: Installation) -> None:
    own = {"seal": "ab" * 32}
    client("secretsmanager", "").put_secret_value(SecretId=installation.control, SecretString=json.dumps(own))
    installation.ask()
    assert installation.held(installation.control)["seal"] == installation.held(installation.media)["seal"] == own["seal"]


def test_no_ticket_is_refused_while_the_signing_key_is_turned(installation: Installation) -> None:
    installation.ask()
    first = installation.sign()
    installation.ask(turn="begin")
    assert installation.takes(first)
    begun = installation.sign()
    installation.ask(turn="finish")
    turned = installation.sign()
    assert installation.takes(first) and installation.takes(begun) and installation.takes(turned)
    installation.ask(turn="begin")
    installation.ask(turn="finish")
    assert installation.takes(turned)
    assert not installation.takes(first)


def test_a_turn_that_is_begun_twice_is_begun_once(installation: Installation) -> None:
    installation.ask(turn="begin")
    once = installation.held(installation.media)
    installation.ask(turn="begin")
    assert installation.held(installation.media) == once


def test_a_turn_is_finished_only_after_it_was_begun(installation: Installation) -> None:
    with pytest.raises(ConfigurationError, match="begin first"):
        installation.ask(turn="finish")


def test_the_key_of_gemini_reaches_both_planes(installation: Installation) -> None:
    installation.ask(gemini_api_key="given")
    assert [installation.held(one)["gemini_api_key"] for one in (installation.control, installation.media)] == ["given", "given"]
    reader = installation.held(installation.shares["NEXUS_READER_SECRET"])
    assert read_keys(reader, ["gemini_api_key"]).gemini_api_key.get_secret_value() == "given"


def test_nothing_else_can_be_given_from_outside(installation: Installation) -> None:
    with pytest.raises(ConfigurationError, match="seal"):
        installation.ask(seal="00" * 32)


def test_cloudformation_is_told_of_a_fault_and_no_key_is_in_what_it_is_told(installation: Installation) -> None:
    client("secretsmanager", "").put_secret_value(SecretId=installation.control, SecretString="not json: hunter2")
    with cloudformation() as (url, told):
        installation.ask(**request(url))
    assert told[0]["Status"] == "FAILED"
    assert "JSONDecodeError" in told[0]["Reason"]
    assert "hunter2" not in json.dumps(told)


def test_a_function_that_is_not_told_where_names_what_is_missing(moto: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEXUS_KEYS_SECRET", raising=False)
    for name in SHARES:
        monkeypatch.setenv(name, "share")
    sys.modules.pop("control_plane.handlers.keys", None)
    with pytest.raises(ConfigurationError, match="NEXUS_KEYS_SECRET"):
        importlib.import_module("control_plane.handlers.keys")
