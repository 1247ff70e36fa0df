"""Records on disk: every version ever written is read; keys stay in their tenant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.archive import decode_private, decode_record, encode_record, record_key
from nexus.errors import NexusError, RequestRejected, StoreError
from tests.fakes.stored import call_id, private, record

GOLDEN = Path(__file__).parents[3] / "golden" / "session_record_v1.json"


def test_the_golden_record_of_version_one_is_read() -> None:
    found = decode_record(GOLDEN.read_bytes())
    assert found.schema_version == 1
    assert found.turns[1].heard_text == "We have ten"
    assert found.tools[0].status == "done"
    assert found.meta.status == "COMPLETED"
    assert decode_record(encode_record(found)) == found


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_records_come_back_as_they_were(text: str) -> None:
    assert decode_record(encode_record(record(text=text))) == record(text=text)
    assert decode_private(encode_record(private(text=text))) == private(text=text)


def test_text_is_kept_readable_and_absent_fields_are_left_out() -> None:
    data = encode_record(record(text="שלום"))
    assert "שלום".encode() in data
    assert b"null" not in data


@given(st.binary(max_size=50))
def test_what_is_no_record_is_our_error(data: bytes) -> None:
    for decode in (decode_record, decode_private):
        with pytest.raises(StoreError):
            decode(data)


def test_a_key_is_made_of_both_ids() -> None:
    assert record_key("barber", call_id(1)) == f"barber/{call_id(1)}.json"


@pytest.mark.parametrize("tenant", ["..", "../barber", "a/b", "a\\b", "", ".", "A", "admin", "a" * 64, "a\n", "barber\x00"])
def test_a_tenant_cannot_leave_its_folder(tenant: str) -> None:
    with pytest.raises(RequestRejected):
        record_key(tenant, call_id(1))


@given(st.text(max_size=40))
def test_a_call_id_of_another_form_is_refused(call: str) -> None:
    with pytest.raises(NexusError):
        record_key("barber", call)
