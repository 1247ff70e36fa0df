"""A declared tool: what may be declared, what is sent, and how answers are read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from nexus.domain.http_tool import HIDDEN, MOST_TOOLS, HttpTool, outcome_of, request_of
from nexus.domain.outbound import OutboundAnswer
from nexus.domain.tenant import TenantConfig

GOOD: dict[str, Any] = {
    "name": "find_customer",
    "description": "Find a customer by phone",
    "parameters": {"type": "object", "properties": {"phone": {"type": "string"}, "city": {"type": "string"}}, "required": ["phone"]},
    "effect": "read",
    "method": "GET",
    "url": "https://crm.example.com/customers",
    "headers": {"Authorization": "Bearer {{secret:CRM_TOKEN}}", "X-Shop": "7"},
}
JSON = {"content-type": "application/json; charset=utf-8"}


def declared(**changes: Any) -> HttpTool:
    return HttpTool.model_validate({**GOOD, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://crm.example.com/"}, "https"),
        ({"url": "https://10.0.0.1/"}, "public address"),
        ({"url": "https://169.254.169.254/latest"}, "public address"),
        ({"url": "https://crm.internal/"}, "public name"),
        ({"url": "https://u:p@crm.example.com/"}, "without user name"),
        ({"url": "https://crm.example.com:22/"}, "port"),
        ({"url": "https://{host}/customers"}, "in the path only"),
        ({"url": "https://crm.example.com/{{secret:CRM_TOKEN}}"}, "in the path only"),
        ({"url": "https://crm.example.com/{city}"}, "required"),
        ({"url": "https://crm.example.com/{unknown}"}, "required"),
        ({"headers": {"Host": "other.example.com"}}, "set by the platform"),
        ({"headers": {"Idempotency-Key": "1"}}, "set by the platform"),
        ({"headers": {"content-length": "1"}}, "set by the platform"),
        ({"headers": {"X A": "1"}}, "printable ASCII"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "printable ASCII"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "twice"),
        ({"headers": {"X-A": "{{secret:lower}}"}}, "capital letters"),
        ({"headers": {f"X-{i}": "1" for i in range(33)}}, "at most 32"),
        ({"parameters": {"phone": "telephone"}}, "phone"),
        ({"parameters": {"type": "object", "properties": {"a": {"$ref": "https://x"}}}}, "not supported"),
        ({"effect": "write"}, "GET changes nothing"),
        ({"method": "TRACE"}, "GET"),
        ({"name": "not a name"}, "pattern"),
        ({"description": ""}, "at least 1"),
        ({"timeout_s": 61}, "60"),
        ({"retries": 4}, "3"),
        ({"secret": "x"}, "Extra"),
    ],
)
def test_what_cannot_be_declared(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        declared(**changes)


def test_a_configuration_declares_each_tool_once() -> None:
    usual = {"tenant_id": "shop", "system_prompt": "x"}
    assert TenantConfig.model_validate({**usual, "http_tools": [GOOD]}).http_tools == (declared(),)
    with pytest.raises(ValidationError, match="declared more than once: find_customer"):
        TenantConfig.model_validate({**usual, "http_tools": [GOOD, GOOD]})
    with pytest.raises(ValidationError, match="at most 64"):
        TenantConfig.model_validate({**usual, "http_tools": [{**GOOD, "name": f"t{i}"} for i in range(MOST_TOOLS + 1)]})


def test_a_lookup_goes_into_the_query() -> None:
    sent = request_of(declared(), {"phone": "+1 555", "city": "Köln & co"}, "call_1.ab", {"CRM_TOKEN": "t0p"})
    assert (sent.method, sent.body) == ("GET", b"")
    assert sent.url == "https://crm.example.com/customers?phone=%2B1+555&city=K%C3%B6ln+%26+co"
    assert (
        sent.headers["Authorization"] == "Bearer t0p" and sent.headers["Idempotency-Key"] == "call_1.ab" and sent.headers["X-Shop"] == "7"
    )


def test_a_change_goes_into_the_body_and_the_path() -> None:
    tool = declared(effect="write", method="POST", url="https://crm.example.com/customers/{phone}/notes?v=1")
    sent = request_of(tool, {"phone": "../a b?#", "city": "Bonn"}, "k", {"CRM_TOKEN": "t"})
    assert sent.url == "https://crm.example.com/customers/..%2Fa%20b%3F%23/notes?v=1"
    assert json.loads(sent.body) == {"city": "Bonn"} and sent.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 3000])
def test_what_cannot_stand_in_a_path(value: str) -> None:
    tool = declared(url="https://crm.example.com/customers/{phone}")
    with pytest.raises(ValueError, match=r"path|absolute"):
        request_of(tool, {"phone": value}, "k")


@given(st.text(min_size=1, max_size=60).filter(lambda text: text not in (".", "..")))
def test_no_argument_leaves_its_place(value: str) -> None:
    tool = declared(url="https://crm.example.com/customers/{phone}/notes")
    url = request_of(tool, {"phone": value, "city": value}, "k").url
    path, _, query = url.partition("?")
    assert path.startswith("https://crm.example.com/customers/") and path.endswith("/notes") and path.count("/") == 5
    assert url.isascii() and query.startswith("city=") and query.count("&") == 0


def test_a_request_can_be_shown_without_secrets() -> None:
    shown = request_of(declared(), {"phone": "1"}, "k")
    assert shown.headers["Authorization"] == "Bearer {{secret:CRM_TOKEN}}" and declared().secret_names == ("CRM_TOKEN",)


def test_a_credential_in_the_clear_is_noticed() -> None:
    headers = {"Authorization": "Bearer abc", "X-Api-Key": "{{secret:KEY}}", "X-Shop": "7", "Cookie": "a=b"}
    assert declared(headers=headers).shown_credentials == ("Authorization", "Cookie")


def told(status: int | None, body: str = "", error: str = "", *, arrived: bool = True, **more: Any) -> OutboundAnswer:
    return OutboundAnswer(status, 5.0, error, arrived, more.pop("headers", JSON), body.encode(), **more)


@pytest.mark.parametrize(
    ("answer", "kind", "output", "again"),
    [
        (told(200, '{"name": "Dana", "seats": [1, 2]}'), "done", '{"name": "Dana", "seats": [1, 2]}', False),
        (told(201, '"Booked for ten."'), "done", "Booked for ten.", False),
        (told(200, "Plain words.", headers={"content-type": "text/plain"}), "done", "Plain words.", False),
        (told(204), "done", "Done.", False),
        (told(200, '{"a":1}', headers={"content-type": "application/vnd.shop+json"}), "done", '{"a": 1}', False),
        (told(200, "<p>no</p>", headers={"content-type": "text/html"}), "invalid", "", False),
        (told(200, "{"), "invalid", "", False),
        (told(200, "[" * 50_000), "invalid", "", False),
        (told(200, "{}", cut=True), "invalid", "", False),
        (told(200, "{}", headers={**JSON, "content-encoding": "gzip"}), "invalid", "", False),
        (told(409, '{"detail": "Ten is taken, eleven is free."}'), "refused", "Ten is taken, eleven is free.", False),
        (told(422, '{"message": "No such day."}'), "refused", "No such day.", False),
        (told(400, '{"error": {"code": 7}}'), "refused", "", False),
        (told(404), "refused", "", False),
        (told(404, "<html>", headers={"content-type": "text/html"}), "refused", "", False),
        (told(404, json.dumps({"detail": "x" * 501})), "refused", "", False),
        (told(401, '{"detail": "bad token"}'), "failed", "", False),
        (told(403), "failed", "", False),
        (told(429), "failed", "", True),
        (told(302), "unknown", "", False),
        (told(500, '{"detail": "stack trace"}'), "unknown", "", True),
        (told(503), "unknown", "", True),
        (told(None, error="timeout"), "timeout", "", True),
        (told(None, error="broken"), "unknown", "", True),
        (told(None, error="unreachable", arrived=False), "failed", "", True),
        (told(None, error="timeout", arrived=False), "failed", "", True),
        (told(None, error="tls_failed", arrived=False), "failed", "", True),
        (told(None, error="address_not_allowed", arrived=False), "failed", "", False),
    ],
)
def test_how_answers_are_read(answer: OutboundAnswer, kind: str, output: str, again: bool) -> None:
    found = outcome_of(answer)
    assert (found.kind, found.output, found.try_again) == (kind, output, again)
    assert bool(found.problem) == (kind != "done") and "trace" not in found.problem


def test_a_secret_that_comes_back_is_hidden() -> None:
    secret = 'to"ken-1234'
    found = outcome_of(told(200, json.dumps({"echo": f"Bearer {secret}"})), [secret])
    assert found.kind == "done" and "ken-1234" not in found.output and HIDDEN in found.output
    assert outcome_of(told(409, json.dumps({"detail": secret})), [secret]).output == HIDDEN
