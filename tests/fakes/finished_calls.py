"""Finished calls as the product's own code makes them: journals, folded to records, read, flattened to rows. Odd ones among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from media_plane.conversation.recorder import fold, record
from nexus.domain.analytics import AnalyticsRow, analytics_row
from nexus.domain.call import EndReason
from nexus.domain.journal import Ended, FaultNoted, Interrupted, JournalEntry, ModeNoted, Opened, RotationNoted, ToolNoted, TurnNoted
from nexus.domain.lead import Analysis, LeadObject
from nexus.domain.session import AudioFacts, CallFault, EngineRotation, ModeChange, StageTimes, ToolUse, Turn
from tests.fakes.stored import call_id

MORNING = datetime(2026, 11, 19, 8, 15, 30, 250_000, tzinfo=UTC)
EVENING = datetime(2026, 11, 19, 23, 50, tzinfo=UTC)
"""Ends on the next day, where it is the next day already in Jerusalem."""
NEXT_DAY = datetime(2026, 11, 20, 8, 59, 59, 999_000, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 8, 30, tzinfo=UTC)
"""Three hours behind Jerusalem, where a winter call is two."""


@dataclass(frozen=True, slots=True)
class Talk:
    """One call, by what makes it odd."""

    number: int
    tenant_id: str = "acme"
    at: datetime = MORNING
    length_ms: float = 62_000.0
    reason: EndReason | None = EndReason.CALLER_HANGUP
    slot_ms: float = 62_000.0
    answers_ms: Sequence[float] = (600.0,)
    happened: Sequence[JournalEntry] = ()
    opened: dict[str, Any] = field(default_factory=dict)
    lead: dict[str, Any] | None = field(default_factory=dict)
    status: Any = "done"
    reading: int = 1

    def row(self) -> AnalyticsRow:
        folded = fold([*self._begun(), *self.happened, *self._ended()])
        assert folded is not None
        kept, _ = record(folded, ended_at=self.at + timedelta(milliseconds=self.length_ms))
        return analytics_row(kept, self._analysis())

    def _begun(self) -> list[JournalEntry]:
        opened: dict[str, Any] = {
            "call_id": call_id(self.number),
            "tenant_id": self.tenant_id,
            "config_hash": "sha256:00",
            "engine": "cascade",
            "created_at": self.at - timedelta(seconds=2),
            "connected_at": self.at,
        }
        entries: list[JournalEntry] = [Opened(**(opened | self.opened))]
        for i, e2e in enumerate(self.answers_ms):
            at_ms = 5_000.0 * i
            asked = Turn(i=2 * i, role="caller", start_ms=at_ms, end_ms=at_ms + 1_000, text="A table", heard_text="A table", heard_ms=1_000)
            told = Turn(
                i=2 * i + 1, role="agent", start_ms=at_ms + 1_000, end_ms=at_ms + 3_000, text="Gladly", heard_text="Gladly", heard_ms=2_000
            )
            entries += [TurnNoted(turn=asked), TurnNoted(turn=told.model_copy(update={"stages": StageTimes(dialogue=e2e, e2e=e2e)}))]
        return entries

    def _ended(self) -> list[JournalEntry]:
        if self.reason is None:
            return []
        audio = AudioFacts(in_ms=self.length_ms, out_ms=2_000.0 * len(self.answers_ms), dropped_frames=self.number % 3)
        return [Ended(at_ms=self.length_ms, reason=self.reason, audio=audio, caller_talk_ms=1_000.0, slot_ms=self.slot_ms)]

    def _analysis(self) -> Analysis | None:
        if self.lead is None:
            return None
        return Analysis(
            call_id=call_id(self.number),
            tenant_id=self.tenant_id,
            lead_id=f"lead_{self.number}",
            created_at=self.at + timedelta(minutes=5),
            call_started_at=self.at,
            model="scripted",
            status=self.status,
            lead=LeadObject(**self.lead),
            reading=self.reading,
        )


def tool(name: str, status: Any, error_code: str = "") -> ToolNoted:
    return ToolNoted(use=ToolUse(request_id=name, name=name, turn=0, status=status, error_code=error_code))


_BOOKED = {"core_intent": "book a table", "call_outcome": "booking_made", "sentiment": "positive"}
_TOLD = {"core_intent": "opening hours", "call_outcome": "information_given"}
_TEXT = ModeNoted(change=ModeChange(to="text_only", reason="engine_lost", at_ms=9_000.0))
_VOICE = ModeNoted(change=ModeChange(to="voice", reason="engine_back", at_ms=12_000.0))
_LOST = FaultNoted(fault=CallFault(code="engine_lost", stage="engine", message="gone", at_ms=8_000.0))
_GPU = {"engine": "personaplex"}

TALKS = (
    Talk(1, lead=_BOOKED, happened=[tool("check", "done"), tool("book", "done")]),
    Talk(2, lead=_TOLD, answers_ms=(450.0, 950.0, 700.0), happened=[Interrupted(at_ms=7_000.0, stop_ms=120.0)]),
    Talk(3, lead=_BOOKED | {"follow_up_required": True}, happened=[tool("check", "failed", "tool_timeout"), tool("book", "unknown")]),
    Talk(4, length_ms=0.0, slot_ms=0.0, answers_ms=(), reason=EndReason.CONNECT_TIMEOUT, lead=None),
    Talk(5, at=EVENING, length_ms=900_123.4, lead={"call_outcome": "wants a call back"}, happened=[tool("book", "failed", "tool_failed")]),
    Talk(6, at=EVENING, reason=None, slot_ms=0.0, lead=None),
    Talk(7, at=NEXT_DAY, status="fallback", lead={"customer_name": "Known"}, answers_ms=(1_500.0,)),
    Talk(8, at=NEXT_DAY, opened=_GPU, lead=_BOOKED, answers_ms=(220.0,), happened=[_TEXT, _VOICE, _LOST], slot_ms=120_000.0),
    Talk(
        9, at=NEXT_DAY, opened=_GPU, lead=_TOLD, answers_ms=(260.0,), happened=[Interrupted(at_ms=3_000.0, stop_ms=90.0, false_alarm=True)]
    ),
    Talk(
        10,
        at=NEXT_DAY,
        opened=_GPU,
        reason=EndReason.ENGINE_LOST,
        lead={"call_outcome": "request_failed"},
        answers_ms=(300.0,),
        happened=[_LOST, RotationNoted(rotation=EngineRotation(generation=2, at_ms=200_000.0, gap_ms=40.0, reason="window"))],
    ),
    Talk(11, lead={"core_intent": "book a table", "call_outcome": "abandoned"}, reading=1),
    Talk(11, lead=_BOOKED, reading=2),
    Talk(12, opened={"test": True}, lead=_BOOKED),
    Talk(13, at=SUMMER, lead=_TOLD),
    Talk(14, tenant_id="acme2", lead=_BOOKED, slot_ms=3_600_000.0),
    Talk(15, tenant_id="acme2", at=NEXT_DAY, lead=_TOLD | {"core_intent": "someone else's 'quoted' intent"}),
)


def finished_calls() -> list[AnalyticsRow]:
    """One row a reading, in the order in which they were written."""
    return [talk.row() for talk in TALKS]
