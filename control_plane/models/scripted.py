"""The deterministic LeadModel: no key, no network, the same lead every time."""

from __future__ import annotations

from control_plane.leads.reading import read_lead
from nexus.domain.lead import LeadObject
from nexus.domain.session import PrivateTranscript


class ScriptedLeads:
    """Reads a lead by rules."""

    @property
    def name(self) -> str:
        """``scripted``."""
        return "scripted"

    async def extract(self, transcript: PrivateTranscript) -> LeadObject:
        """The lead; never fails."""
        return read_lead(transcript)
