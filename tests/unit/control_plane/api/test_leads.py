"""Leads at the door: where a person stands with them, filters, evidence, CSV; and reading a call again."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from control_plane.services.lead_csv import leads_csv
from control_plane.services.leads import TrackedLead, lead_id_of
from nexus.domain.lead import Analysis, Evidence, ExtraField, LeadObject
from nexus.domain.session import SessionRecord
from tests.fakes.control_plane import House

LEADS = "/v1/tenants/barber_shop/leads"


async def moved(door: House, record: SessionRecord, status: str) -> None:
    answer = await door.client.patch(f"{LEADS}/{lead_id_of(record.id)}", json={"lead_status": status})
    assert answer.status_code == 200 and answer.json()["lead_status"] == status


async def listed(door: House, **where: Any) -> list[str]:
    """Every session id, page by page."""
    found: list[str] = []
    cursor = ""
    while True:
        page = (await door.client.get(LEADS, params={**where, "cursor": cursor})).json()
        found += [lead["session_id"] for lead in page["data"]]
        cursor = page["next_cursor"] or ""
        assert page["has_more"] == bool(cursor)
        if not cursor:
            return found


async def test_a_persons_note_is_listed_filtered_and_outlives_another_reading(door: House) -> None:
    records = [await door.archived(number) for number in range(5)]
    ids = [record.id for record in records]
    await moved(door, records[1], "contacted")
    await moved(door, records[3], "won")
    await moved(door, records[3], "contacted")
    for limit in (1, 2, 100):
        assert await listed(door, limit=limit) == ids[::-1]
        assert await listed(door, limit=limit, lead_status="contacted") == [ids[3], ids[1]]
        assert await listed(door, limit=limit, lead_status="new") == [ids[4], ids[2], ids[0]]
        assert await listed(door, limit=limit, lead_status="lost") == []
        assert await listed(door, limit=limit, lead_status="contacted", outcome="no such") == []
    again = (await door.client.post(f"/v1/tenants/barber_shop/sessions/{ids[3]}:reanalyze")).json()
    assert (again["reading"], again["status"]) == (2, "queued")
    await door.plane.after_call.finish("barber_shop", ids[3])
    lead = (await door.client.get(f"{LEADS}/{lead_id_of(ids[3])}")).json()
    assert (lead["reading"], lead["lead_status"]) == (2, "contacted")


async def test_a_cursor_belongs_to_its_status(door: House) -> None:
    for number in range(3):
        await door.archived(number)
    cursor = (await door.client.get(LEADS, params={"limit": 1, "lead_status": "new"})).json()["next_cursor"]
    answer = await door.client.get(LEADS, params={"limit": 1, "lead_status": "won", "cursor": cursor})
    assert answer.json()["code"] == "invalid_cursor"


async def test_what_is_refused(door: House) -> None:
    record = await door.archived(1)
    lead = f"{LEADS}/{lead_id_of(record.id)}"
    for body in ({}, {"lead_status": "warm"}, {"lead_status": "won", "lead": {"customer_name": "Eve"}}):
        assert (await door.client.patch(lead, json=body)).status_code == 422
    assert (await door.client.patch(lead.replace("barber_shop", "pizza_shop"), json={"lead_status": "won"})).status_code == 404
    assert (await door.client.get(LEADS, params={"lead_status": "warm"})).status_code == 422
    assert (await door.client.post("/v1/tenants/pizza_shop/sessions/" + record.id + ":reanalyze")).json()["code"] == "session_not_found"
    assert (await door.client.get(f"/v1/tenants/barber_shop/sessions/{record.id}/recording")).json()["code"] == "recording_not_found"


async def test_evidence_and_the_tenants_own_fields_are_shown(door: House) -> None:
    door.model.evidence = (Evidence(field="customer_name", turn=0),)
    door.model.fields = (ExtraField(name="party_size", value=4, evidence_turn=0),)
    record = await door.archived(1)
    lead = (await door.client.get(f"{LEADS}/{lead_id_of(record.id)}")).json()
    assert lead["evidence"] == [{"field": "customer_name", "turn": 0, "source": "turn"}]
    assert lead["fields"] == [{"name": "party_size", "value": 4, "evidence_turn": 0}]
    session = (await door.client.get(f"/v1/tenants/barber_shop/sessions/{record.id}")).json()
    assert session["analysis"]["fields"] == lead["fields"] and session["analysis"]["reading"] == 1


async def test_csv(door: House) -> None:
    door.model.lead = LeadObject(
        customer_name='=HYPERLINK("http://evil")', customer_phone="+493055501234", summary='She said "hi",\nthen left.'
    )
    door.model.fields = (
        ExtraField(name="party_size", value=4, evidence_turn=0),
        ExtraField(name="note", value="@SUM(A1)", evidence_turn=0),
    )
    record = await door.archived(1)
    answer = await door.client.get(f"{LEADS}:export")
    assert answer.headers["content-type"].startswith("text/csv") and "leads-barber_shop.csv" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert row["session_id"] == record.id and row["lead_status"] == "new"
    assert row["customer_name"] == '\'=HYPERLINK("http://evil")' and row["customer_phone"] == "+493055501234"
    assert row["summary"] == 'She said "hi",\nthen left.' and (row["field.party_size"], row["field.note"]) == ("4", "'@SUM(A1)")
    assert (await door.client.get(f"{LEADS}:export", params={"lead_status": "won"})).text.count("\r\n") == 1


@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_whatever_was_said_comes_back_and_no_cell_is_a_formula(texts: list[str]) -> None:
    leads = [
        TrackedLead(
            Analysis(
                call_id=f"call_{number}",
                tenant_id="t",
                lead_id=f"lead_{number}",
                created_at=datetime(2026, 11, 21, tzinfo=UTC),
                call_started_at=datetime(2026, 11, 21, tzinfo=UTC),
                model="m",
                lead=LeadObject(summary=text),
            )
        )
        for number, text in enumerate(texts)
    ]
    rows = [*csv.DictReader(io.StringIO(leads_csv(leads), newline=""))]
    assert len(rows) == len(texts)
    for row, text in zip(rows, texts, strict=True):
        assert row["summary"] in (text, f"'{text}")
        assert not row["summary"].startswith(("=", "-", "@", "\t", "\r", "\n"))
