"""The lake's columns and places; a test holds them against ``nexus.domain.analytics`` and ``nexus.adapters.aws.keys``."""

from __future__ import annotations

SESSIONS_PREFIX = "lake/sessions/"
ERRORS_PREFIX = "lake/errors/"
PARTITION_KEYS = (("tenant_id", "string"), ("dt", "string"))
"""A day is written as text, ``2026-11-21``: what Athena projects, and what Firehose's JSON reader knows for certain."""

COLUMNS = (
    ("schema_version", "bigint"),
    *PARTITION_KEYS,
    ("call_id", "string"),
    ("reading", "bigint"),
    ("created_at", "timestamp"),
    ("connected_at", "timestamp"),
    ("first_audio_at", "timestamp"),
    ("ended_at", "timestamp"),
    ("analyzed_at", "timestamp"),
    ("duration_ms", "double"),
    ("caller_talk_ms", "double"),
    ("agent_talk_ms", "double"),
    ("overlap_ms", "double"),
    ("silence_ms", "double"),
    ("slot_ms", "double"),
    ("status", "string"),
    ("original_status", "string"),
    ("end_reason", "string"),
    ("error_code", "string"),
    ("error_stage", "string"),
    ("engine", "string"),
    ("voice_id", "string"),
    ("channel", "string"),
    ("test", "boolean"),
    ("config_hash", "string"),
    ("caller_hash", "string"),
    ("caller_turns", "bigint"),
    ("agent_turns", "bigint"),
    ("tool_calls", "bigint"),
    ("tool_failures", "bigint"),
    ("barge_ins", "bigint"),
    ("false_barge_ins", "bigint"),
    ("mode_changes", "bigint"),
    ("engine_rotations", "bigint"),
    ("response_p50_ms", "double"),
    ("response_p95_ms", "double"),
    ("audio_in_ms", "double"),
    ("audio_out_ms", "double"),
    ("audio_dropped_frames", "bigint"),
    ("sentiment", "string"),
    ("outcome", "string"),
    ("core_intent", "string"),
    ("follow_up_required", "boolean"),
    ("analysis_status", "string"),
    ("analysis_model", "string"),
)
"""Every column of a Parquet file, with its type in Glue, in the order of the row."""

FILES = SESSIONS_PREFIX + "".join(f"{name}=!{{partitionKeyFromQuery:{name}}}/" for name, _ in PARTITION_KEYS)
"""How Firehose names its files, from what stands in each row."""


def tenant_prefix(tenant_id: str) -> str:
    """How the names of a tenant's files begin. The slash at the end keeps ``acme`` out of what is ``acme2``'s."""
    return f"{SESSIONS_PREFIX}tenant_id={tenant_id}/"
