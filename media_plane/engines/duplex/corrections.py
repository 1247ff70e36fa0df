"""After a false claim of the model: our voice corrects it at once, and the agent beside tells the truth."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from media_plane.conversation.commands import Say
from media_plane.dialogue.notes import correction_note
from media_plane.engines.answering import Answering
from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.own_voice import OwnVoice

CORRECTION = "Let me correct that: that is not done yet."
_MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class _Errand:
    what: Literal["correct", "ask"]
    claim: str


class Corrections:
    """Exactly one correction for each claim.

    Args:
        item_prefix: of the items that our voice speaks here.
        beside: the agent is asked for the truth, unless it is about to speak anyway. Otherwise the correction stands alone.
    """

    def __init__(self, item_prefix: str, floor: Floor, own: OwnVoice, answering: Answering, *, beside: bool) -> None:
        self._prefix = item_prefix
        self._floor = floor
        self._own = own
        self._answering = answering
        self._beside = beside
        self._errands: asyncio.Queue[_Errand] = asyncio.Queue(_MOST_WAITING)
        self._count = 0
        self._owed = ""
        self._agent_gave = False

    async def claimed(self, claim: str) -> None:
        """The model has claimed this; it is muted already."""
        self._floor.claim_met()
        await self._errands.put(_Errand("correct", claim))

    def turn(self) -> None:
        """The caller has said something new: the agent's answer to that comes now."""
        self._owed = ""

    def answer_begins(self) -> None:
        """The agent takes up a turn."""
        self._agent_gave = False

    def agent_gives(self) -> None:
        """It has words, or a tool to run."""
        self._agent_gave = True

    async def answer_given(self) -> bool:
        """The answer is complete. True when it was none and the agent will be asked again."""
        owed, self._owed = self._owed, ""
        if not owed or self._agent_gave:
            return False
        await self._errands.put(_Errand("ask", owed))
        return True

    async def run(self, _group: asyncio.TaskGroup) -> None:
        """Correct and ask, one after the other, until cancelled."""
        while True:
            errand = await self._errands.get()
            if errand.what == "correct":
                await self._correct(errand.claim)
            else:
                self._ask(errand.claim)

    async def _correct(self, claim: str) -> None:
        if self._agent_gave and self._floor.undecided:  # the agent took the floor in the same moment: one item after the other
            self._answering.say(Say(CORRECTION))
            self._floor.claim_met_with()
            return
        self._count += 1
        item_id = f"{self._prefix}{self._count}"
        await self._own.words(item_id, CORRECTION)
        self._floor.claim_met_with()
        await self._own.end(item_id)
        self._answering.overheard(item_id, CORRECTION)
        if self._beside and self._floor.undecided:
            self._owed = claim
        elif self._beside:
            self._ask(claim)

    def _ask(self, claim: str) -> None:
        self._floor.turn()
        self._answering.turn(correction_note(claim))
