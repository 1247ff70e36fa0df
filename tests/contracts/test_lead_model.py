"""One suite over every LeadModel; Gemini's runs the real SDK against the strict fake."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from control_plane.models.gemini import GeminiLeads, LeadAccess
from control_plane.models.scripted import ScriptedLeads
from control_plane.ports import LeadModel
from nexus.domain.session import PrivateTranscript, ToolUse, Turn
from nexus.errors import UpstreamError
from tests.fakes.gemini_server import Turn as Answer
from tests.fakes.gemini_server import gemini_server, text

FORM = {
    "customer_name": "Dana",
    "customer_phone": "+12125550123",
    "core_intent": "booking",
    "call_outcome": "booking_made",
    "sentiment": "neutral",
}
CALL = PrivateTranscript(
    call_id="call_x",
    tenant_id="demo_shop",
    turns=(Turn(i=0, role="caller", start_ms=0, end_ms=1, text="Book me in", heard_text="Book me in"),),
    tools=(
        ToolUse(
            request_id="r",
            effect_id="e",
            name="book_appointment",
            turn=0,
            arguments={"customer_name": "Dana", "phone": "+12125550123"},
            output="Booked.",
            status="done",
        ),
    ),
    delete_after=datetime(2027, 1, 1, tzinfo=UTC),
)


@asynccontextmanager
async def scripted() -> AsyncIterator[LeadModel]:
    yield ScriptedLeads()


@asynccontextmanager
async def gemini(*answers: Answer) -> AsyncIterator[GeminiLeads]:
    async with gemini_server(*(answers or (text(json.dumps(FORM)),))) as server:
        model = GeminiLeads(LeadAccess(server.key, "gemini-test", base_url=server.base_url, timeout_s=5, retry_delay_s=0.01))
        yield model
        await model.close()
        assert server.violations == []


@pytest.mark.parametrize("opened", [scripted, gemini])
async def test_a_booking_becomes_a_lead(opened: Callable[[], AbstractAsyncContextManager[LeadModel]]) -> None:
    async with opened() as model:
        reading = await model.extract(CALL, {})
        lead = reading.lead
        assert model.name in ("scripted", "gemini:gemini-test")
    assert {name: getattr(lead, name) for name in FORM} == FORM


async def test_a_fenced_answer_is_read_too() -> None:
    async with gemini(text("```json\n", json.dumps(FORM), "\n```")) as model:
        assert (await model.extract(CALL, {})).lead.customer_name == "Dana"


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ((text("I cannot do that."),), "model_malformed_call"),
        ((Answer(),), "model_malformed_call"),
        ((Answer(status=404),), "model_failed"),
        ((Answer(status=503),) * 3, "model_failed"),
    ],
)
async def test_failures_are_ours(answers: tuple[Answer, ...], code: str) -> None:
    async with gemini(*answers) as model:
        with pytest.raises(UpstreamError) as caught:
            await model.extract(CALL, {})
    assert caught.value.code == code
    assert "test-key" not in str(caught.value)


WANTED: dict[str, JsonValue] = {"party_size": {"type": "integer", "description": "how many people"}, "service": {"type": "string"}}


@pytest.mark.parametrize("opened", [scripted, gemini])
async def test_every_filled_field_says_where_it_comes_from(opened: Callable[[], AbstractAsyncContextManager[LeadModel]]) -> None:
    async with opened() as model:
        reading = await model.extract(CALL, {})
    sources = {one.field: one for one in reading.evidence}
    filled = {name for name, value in reading.lead.model_dump().items() if value not in ("", "unknown", ())}
    assert filled <= set(sources)
    assert (sources["customer_name"].turn, sources["customer_name"].source) == (0, "tool")


@pytest.mark.parametrize("opened", [scripted, gemini])
async def test_a_tenants_own_fields_are_read_with_their_turn(opened: Callable[..., AbstractAsyncContextManager[LeadModel]]) -> None:
    answer = json.dumps({**FORM, "fields": {"service": "beard trim", "party_size": "many"}, "evidence": [{"field": "service", "turn": 0}]})
    use = CALL.tools[0].model_copy(update={"arguments": {**CALL.tools[0].arguments, "service": "beard trim", "party_size": "many"}})
    async with opened(text(answer)) if opened is gemini else opened() as model:
        reading = await model.extract(CALL.model_copy(update={"tools": (use,)}), WANTED)
    assert [one.model_dump() for one in reading.fields] == [{"name": "service", "value": "beard trim", "evidence_turn": 0}]


async def test_gemini_is_given_the_form_and_numbered_turns() -> None:
    async with gemini_server(text(json.dumps(FORM))) as server:
        model = GeminiLeads(LeadAccess(server.key, "gemini-test", base_url=server.base_url, timeout_s=5))
        await model.extract(CALL, WANTED)
        await model.close()
    (request,) = server.requests
    form = request["generationConfig"]["responseJsonSchema"]
    assert form["properties"]["fields"]["properties"] == WANTED
    assert form["properties"]["evidence"]["items"]["properties"]["field"]["enum"][-2:] == ["party_size", "service"]
    assert "[0] Caller: Book me in" in request["contents"][0]["parts"][0]["text"]


@pytest.mark.parametrize(("status", "may_pass"), [(400, False), (403, False), (404, False), (429, True), (500, True), (503, True)])
async def test_which_refusals_may_pass(status: int, may_pass: bool) -> None:
    async with gemini(*(Answer(status=status),) * 3) as model:
        with pytest.raises(UpstreamError) as caught:
            await model.extract(CALL, {})
    assert caught.value.retryable is may_pass
