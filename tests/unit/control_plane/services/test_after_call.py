"""After a call: found, read, and never lost; over memory and over files and SQLite."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from control_plane.services.lead_statuses import LeadStatuses
from control_plane.services.leads import LeadDesk, LeadReader, call_id_of, lead_id_of
from nexus.context import working_for
from nexus.domain.lead import LeadReading
from nexus.domain.session import PrivateTranscript
from nexus.errors import NotFound, UpstreamError
from nexus.ports.sessions import SessionFilter
from tests.fakes.control_plane import House, disk_stores, finished_call, house, memory_stores, private_of


@pytest.fixture(params=["memory", "disk"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> House:
    return house(memory_stores() if request.param == "memory" else disk_stores(tmp_path))


async def test_finishing_twice_reads_once_and_leaves_one_of_each(home: House) -> None:
    record = await home.archived(0)
    first = await home.stores.leads.get("barber_shop", record.id)
    again = await home.plane.after_call.finish("barber_shop", record.id)
    assert again == first and len(home.model.seen) == 1
    rows = await home.stores.index.list("barber_shop", SessionFilter(), limit=10)
    assert [(row.call_id, row.outcome) for row in rows] == [(record.id, "booked")]


async def test_the_lead_is_read_from_the_private_transcript(home: House) -> None:
    await home.archived(0)
    assert "+49 30 5550 1234" in home.model.seen[0].turns[0].text


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (UpstreamError("model_malformed_call", "no"), "model_malformed_call"),
        (ValueError("bad JSON"), "model_failed"),
        (KeyError("x"), "model_failed"),
    ],
)
async def test_whatever_the_model_does_the_session_stays_and_a_fallback_is_kept(home: House, failure: Exception, error: str) -> None:
    home.model.failure = failure
    record = await home.archived(0)
    analysis = await home.stores.leads.get("barber_shop", record.id)
    assert analysis is not None
    assert (analysis.status, analysis.error, analysis.lead.customer_phone) == ("fallback", error, "+493055501234")
    assert "failed" in analysis.lead.summary
    assert await home.stores.index.has("barber_shop", record.id)


async def test_a_model_that_hangs_is_left_at_the_deadline(home: House) -> None:
    class Hanging:
        name = "hanging"

        async def extract(self, transcript: PrivateTranscript, wanted: object) -> LeadReading:
            await asyncio.Event().wait()
            raise AssertionError

    desk = LeadDesk(
        home.stores.leads, LeadStatuses(home.stores.documents, home.clock), LeadReader(Hanging(), deadline_s=0.01), home.clock, b"k"
    )
    record = finished_call(0)
    assert (await desk.extract(record, private_of(record))).status == "fallback"


async def test_without_a_private_transcript_the_record_is_read(home: House) -> None:
    record = finished_call(0)
    with working_for(tenant_id=record.tenant_id):
        analysis = await home.plane.services.leads.extract(record, None)
    assert analysis.status == "done" and home.model.seen[0].turns == record.turns


async def test_start_up_finishes_what_a_crash_left_and_only_that(home: House) -> None:
    done = await home.archived(0)
    unseen, unread = finished_call(1), finished_call(2, "pizza_shop")
    for record in (unseen, unread):
        await home.stores.archive.put(record, private_of(record))
    with working_for(tenant_id=unread.tenant_id):
        await home.plane.services.sessions.index(unread)  # died between index and lead
    assert await home.plane.after_call.catch_up() == 2
    assert await home.plane.after_call.catch_up() == 0
    assert [seen.call_id for seen in home.model.seen] == [done.id, unseen.id, unread.id]


async def test_an_unknown_call_is_not_finished(home: House) -> None:
    with pytest.raises(NotFound, match="session_not_found"):
        await home.plane.after_call.finish("barber_shop", finished_call(5).id)


def test_a_lead_and_its_call_share_the_ulid() -> None:
    call_id = finished_call(0).id
    assert call_id_of(lead_id_of(call_id)) == call_id
