"""The client against a server that answers as told: what is repeated, what is raised, how lists go on."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from local.client import ControlPlane, Patience
from nexus.errors import Conflict, NexusError, NotAuthorised, NotFound, QuotaExceeded, RequestRejected, UpstreamError

Answer = httpx.Response | Exception


class Server:
    """Gives ``answers`` in order, the last one again and again; keeps what it was asked, and how long the client waited."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = [*answers]
        self.asked: list[httpx.Request] = []
        self.waited: list[float] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self, **patience: float) -> ControlPlane:
        told = Patience(wait=self.waited.append, **patience)  # type: ignore[arg-type]
        return ControlPlane("http://here:1", "nx_live_x", patience=told, transport=httpx.MockTransport(self.answer))


def problem(status: int, code: str, *, retryable: bool = False, retry_after: str = "", **more: object) -> httpx.Response:
    body = {"code": code, "detail": "Do this.", "status": status, "retryable": retryable, **more}
    headers = {"content-type": "application/problem+json", **({"retry-after": retry_after} if retry_after else {})}
    return httpx.Response(status, content=json.dumps(body), headers=headers)


def fine(body: object) -> httpx.Response:
    return httpx.Response(200, json=body)


BROKEN = httpx.ReadError("gone")


def test_the_key_and_an_idempotency_key_are_shown() -> None:
    server = Server(fine({"id": "call_1"}))
    client = server.client()
    client.calls.create("t")
    client.calls.create("t")
    client.sessions.get("t", "call_1")
    first, second, third = server.asked
    assert {one.headers["authorization"] for one in server.asked} == {"Bearer nx_live_x"}
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]
    assert "idempotency-key" not in third.headers


@pytest.mark.parametrize(
    "passing",
    [
        BROKEN,
        httpx.ReadTimeout("late"),
        problem(429, "rate_limited", retryable=True, retry_after="7"),
        problem(409, "idempotency_in_flight", retryable=True, retry_after="2"),
        problem(503, "store_unavailable", retryable=True, retry_after="5"),
    ],
)
def test_what_passes_is_asked_again_under_the_same_key(passing: Answer) -> None:
    server = Server(passing, passing, fine({"id": "key_1", "secret": "s"}))
    assert server.client().api_keys.create("t", {"name": "n"})["id"] == "key_1"
    assert len(server.asked) == 3 and len({one.headers["idempotency-key"] for one in server.asked}) == 1
    assert len({one.content for one in server.asked}) == 1
    told = passing.headers.get("retry-after") if isinstance(passing, httpx.Response) else "1"
    assert server.waited == [float(told or 0)] * 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(404, "session_not_found"), NotFound),
        (problem(401, "credential_missing"), NotAuthorised),
        (problem(403, "forbidden"), NotAuthorised),
        (problem(409, "call_already_connected"), Conflict),
        (problem(412, "precondition_failed"), RequestRejected),
        (problem(422, "invalid_request"), RequestRejected),
        (problem(429, "tenant_concurrency_exceeded", retryable=True, retry_after="5"), QuotaExceeded),
        (problem(503, "no_engine_slot", retryable=True, retry_after="5"), UpstreamError),
        (problem(500, "internal_error"), UpstreamError),
    ],
)
def test_what_does_not_pass_is_told_at_once_as_what_it_is(answer: httpx.Response, kind: type[NexusError]) -> None:
    server = Server(answer)
    with pytest.raises(NexusError) as told:
        server.client().calls.create("t")
    assert type(told.value) is kind and told.value.code == answer.json()["code"] and told.value.public_message == "Do this."
    assert len(server.asked) == 1 and server.waited == []
    if isinstance(told.value, QuotaExceeded):
        assert told.value.retry_after_s == 5


def test_patience_ends() -> None:
    server = Server(problem(429, "rate_limited", retryable=True, retry_after="3"))
    with pytest.raises(QuotaExceeded, match="rate_limited"):
        server.client(attempts=4).sessions.page("t")
    assert len(server.asked) == 4 and server.waited == [3.0] * 3
    broken = Server(BROKEN)
    with pytest.raises(UpstreamError, match="engine_unreachable"):
        broken.client().sessions.page("t")
    assert len(broken.asked) == 3


def test_a_wait_longer_than_patience_is_not_begun() -> None:
    server = Server(problem(429, "rate_limited", retryable=True, retry_after="59"))
    with pytest.raises(QuotaExceeded):
        server.client(longest_wait_s=10).sessions.page("t")
    assert len(server.asked) == 1 and server.waited == []


def test_where_nothing_listens_it_is_said_at_once() -> None:
    server = Server(httpx.ConnectError("refused"))
    with pytest.raises(UpstreamError, match="make run"):
        server.client().ready()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(502, text="<html>Bad gateway</html>"), httpx.Response(400, content=b"{", headers={"content-type": "application/json"})],
)
def test_an_answer_that_is_no_problem_document_is_told_all_the_same(answer: httpx.Response) -> None:
    with pytest.raises(NexusError) as told:
        Server(answer).client().ready()
    assert told.value.public_message


def test_every_fault_of_a_problem_is_told_once() -> None:
    faults = [{"code": "x", "detail": "Do this."}, {"code": "y", "detail": "Mend line 3."}]
    with pytest.raises(RequestRejected) as told:
        Server(problem(422, "invalid_config", errors=faults)).client().tenants.get("t")
    assert told.value.public_message == "Do this. Mend line 3."


def test_a_list_goes_on_to_its_end() -> None:
    pages: dict[str, object] = {
        "": {"data": [1, 2], "has_more": True, "next_cursor": "a"},
        "a": {"data": [], "has_more": True, "next_cursor": "b"},
        "b": {"data": [3], "has_more": False, "next_cursor": None},
    }
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(dict(request.url.params))
        return fine(pages[request.url.params.get("cursor", "")])

    client = ControlPlane("http://here:1", transport=httpx.MockTransport(answer))
    assert [*client.leads.each("t", outcome="booked", follow_up_required=True)] == [1, 2, 3]
    assert asked[0] == {"outcome": "booked", "follow_up_required": "true"}
    assert [one.get("cursor") for one in asked] == [None, "a", "b"]


def test_parameters_without_a_value_are_left_out() -> None:
    server = Server(fine({"data": []}))
    server.client().sessions.page("t", status="", end_reason=None, limit=0)
    assert dict(server.asked[0].url.params) == {"limit": "0"}


def each_call(client: ControlPlane) -> list[Callable[[], object]]:
    return [client.ready, lambda: client.tenants.get("t"), lambda: client.conversations.open("t", "+49"), lambda: client.reports.usage("t")]


def test_it_closes_its_connections() -> None:
    server = Server(fine({}))
    with server.client() as client:
        for call in each_call(client):
            call()
    for call in each_call(client):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_an_export_goes_on_with_one_head() -> None:
    parts = {"": ("id,name\r\n1,a\r\n", "next"), "next": ("id,name\r\n2,b\r\n", "")}

    def answer(request: httpx.Request) -> httpx.Response:
        text, cursor = parts[request.url.params.get("cursor", "")]
        return httpx.Response(200, text=text, headers={"content-type": "text/csv", **({"x-next-cursor": cursor} if cursor else {})})

    client = ControlPlane("http://here:1", transport=httpx.MockTransport(answer))
    assert "".join(client.leads.csv("t")) == "id,name\r\n1,a\r\n2,b\r\n"


def test_a_draft_is_replaced_by_the_tag_it_was_read_with() -> None:
    server = Server(httpx.Response(200, json={"config": {"a": 1}}, headers={"etag": '"v3"'}))
    client = server.client()
    draft = client.configs.draft("t")
    assert draft is not None and draft.config == {"a": 1}
    client.configs.put_draft("t", {"a": 2}, replacing=draft)
    client.configs.put_draft("t", {"a": 2}, replacing=None)
    assert [one.headers.get("if-match") for one in server.asked] == [None, '"v3"', None]


def test_no_draft_is_none_and_no_tenant_is_an_error() -> None:
    assert Server(problem(404, "draft_not_found")).client().configs.draft("t") is None
    with pytest.raises(NotFound, match="tenant_not_found"):
        Server(problem(404, "tenant_not_found")).client().configs.draft("t")
