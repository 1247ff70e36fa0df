"""The deterministic LeadModel: no key, no network, the same lead every time."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import JsonValue

from control_plane.leads.evidence import grounded, grounded_fields
from control_plane.leads.reading import read_fields, read_lead
from nexus.domain.lead import LeadReading
from nexus.domain.session import PrivateTranscript


class ScriptedLeads:
    """Reads a lead by rules."""

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    async def extract(self, transcript: PrivateTranscript, wanted: Mapping[str, JsonValue]) -> LeadReading:
        """The lead; never fails."""
        lead, evidence = grounded(read_lead(transcript), {}, transcript)
        fields = grounded_fields(read_fields(transcript, wanted), {}, wanted, transcript)
        return LeadReading(lead=lead, evidence=evidence, fields=fields)
