"""How records are keyed and encoded; decoding takes every version ever written."""

from __future__ import annotations

import json

from pydantic import ValidationError

from nexus.domain.ids import check_call_id, check_tenant_id
from nexus.domain.session import SCHEMA_VERSION, PrivateTranscript, SessionRecord
from nexus.errors import StoreError


def record_key(tenant_id: str, call_id: str) -> str:
    """``{tenant}/{call}.json``; both ids are checked, so a key cannot leave its tenant."""
    return f"{check_tenant_id(tenant_id)}/{check_call_id(call_id)}.json"


def encode_record(record: SessionRecord | PrivateTranscript) -> bytes:
    """UTF-8 JSON, indented, without the fields that a transcript event does not have."""
    return json.dumps(record.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False).encode() + b"\n"


def decode_record(data: bytes) -> SessionRecord:
    """Read a record of any schema version up to ours; fields that a later release has added to it are left out.

    Raises:
        StoreError: ``store_unavailable``: not JSON, not a record, or of a later schema version.
    """
    try:
        record = SessionRecord.model_validate_json(data, extra="ignore")
    except ValidationError as error:
        raise _unreadable() from error
    if record.schema_version > SCHEMA_VERSION:
        raise _unreadable()
    return record


def _unreadable() -> StoreError:
    return StoreError("store_unavailable", f"An archived session cannot be read by this release (schema version {SCHEMA_VERSION}).")


def decode_private(data: bytes) -> PrivateTranscript:
    """Read a private transcript. Raises ``StoreError`` like ``decode_record``."""
    try:
        return PrivateTranscript.model_validate_json(data, extra="ignore")
    except ValidationError as error:
        raise StoreError("store_unavailable", "A private transcript cannot be read by this release.") from error
