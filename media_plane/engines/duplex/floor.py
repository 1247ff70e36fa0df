"""Who is heard now: the model that talks by itself, or our own voice on behalf of the agent beside it; pure.

Our own voice goes first, always: while it sounds, or waits for the model to come to the end of its sentence, the model is not heard.
While the agent beside has a task in hand (it asked for a tool, or its last answer had words), what the model says is held back until
the agent passes.
"""

from __future__ import annotations

from typing import Literal

Ruling = Literal["heard", "held", "dropped"]
"""What becomes of an utterance of the model that begins now."""


class Floor:
    """The floor of one call. Times never step back.

    Args:
        beside: the agent is asked at every turn of the caller. Otherwise its answers are all there is to them: the model leads again
            as soon as one is given.
    """

    def __init__(self, *, beside: bool) -> None:
        self._beside = beside
        self._attended = False
        self._wanted = 0
        self._claims = 0
        self._own: set[str] = set()
        self._fills_next = self._fills = False
        self._own_until_ms = 0.0
        self._tools: set[str] = set()
        self._holds = False
        self._turn_waits = False
        self._answering = False
        self._spoke = False

    def attend(self) -> None:
        """Somebody listens from now on; what was said into the void before is gone."""
        self._attended = True

    # --- our own voice -------------------------------------------------------------------------------------------------------

    def own_wants(self) -> None:
        """Our voice has words and waits for the model to give way."""
        self._wanted += 1

    def own_wants_no_more(self) -> None:
        """It got the floor, or its words were called off."""
        self._wanted -= 1

    def own_begins(self, item_id: str) -> None:
        """These words are on their way."""
        self._own.add(item_id)
        self._fills, self._fills_next = self._fills_next, False

    def own_fills(self) -> None:
        """Our voice's next words only fill a silence: what the model says over them waits for their end."""
        self._fills_next = True

    def own_sounds(self, at_ms: float, duration_ms: float) -> None:
        """Audio of our voice went out, to be heard after what went out before."""
        self._own_until_ms = max(self._own_until_ms, at_ms) + duration_ms

    def own_ended(self, item_id: str) -> None:
        """Nothing more will come for the item; what went out is still heard."""
        self._own.discard(item_id)

    def own_stopped(self, at_ms: float, item_id: str) -> None:
        """The item was stopped where it was heard; so is all that waited behind it."""
        self._own.discard(item_id)
        self._own_until_ms = min(self._own_until_ms, at_ms)

    def own_speaks(self, at_ms: float) -> bool:
        """Whether our voice is heard, or about to be."""
        return bool(self._own) or self._own_until_ms > at_ms

    @property
    def own_waits(self) -> bool:
        """Whether our voice waits for the model to give way."""
        return self._wanted > 0

    # --- the agent beside ----------------------------------------------------------------------------------------------------

    def turn(self) -> None:
        """The agent is asked."""
        self._turn_waits = True

    def answer_begins(self) -> None:
        """It takes the turn up."""
        self._turn_waits, self._answering, self._spoke = False, True, False

    def agent_speaks(self) -> None:
        """It has words: the floor is its own."""
        self._holds = self._spoke = True

    def tool_wanted(self, request_id: str) -> None:
        """It wants a tool: the floor is its own."""
        self._holds, self._spoke = True, False
        self._tools.add(request_id)

    def tool_done(self, request_id: str) -> None:
        """The tool has ended."""
        self._tools.discard(request_id)

    def answer_ends(self, *, called_off: bool) -> None:
        """The answer is given, or ``called_off`` by a newer turn (which decides nothing). Without last words the agent passes."""
        self._answering = False
        if not called_off:
            self._holds = self._beside and (self._spoke or bool(self._tools))

    def claim_met(self) -> None:
        """The model claimed what is not so: it is not heard before our voice has begun to correct it, nor before the agent has spoken."""
        self._claims += 1
        self._holds = self._holds or self._beside

    def claim_met_with(self) -> None:
        """Our voice has the words of the correction."""
        self._claims -= 1

    @property
    def agent_holds(self) -> bool:
        """Whether the agent has a task in hand."""
        return self._holds

    @property
    def agent_works(self) -> bool:
        """Whether an answer is being made or a tool runs."""
        return self._turn_waits or self._answering or bool(self._tools)

    @property
    def undecided(self) -> bool:
        """Whether the agent may still take the floor for the caller's last turn."""
        return self._turn_waits or self._answering

    # --- the model -----------------------------------------------------------------------------------------------------------

    def ruling(self, at_ms: float) -> Ruling:
        """What becomes of what the model says now."""
        if not self._attended or self._claims:
            return "dropped"
        if self.own_speaks(at_ms):
            return "held" if self._fills else "dropped"
        if self._holds:
            return "held"
        return "dropped" if self.own_waits else "heard"
