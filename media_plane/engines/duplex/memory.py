"""What both sides said and what is known in a call, so that another session of the model can go on with it; pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from media_plane.engines.duplex.claim_phrases import unfinished_sentence
from media_plane.ports.engine import CallBrief
from media_plane.ports.speech_line import ModelBrief, Said
from nexus.domain.session import Party, Turn

_MOST_WORDS = 200
_MOST_FACTS = 40
_LONGEST_FACT = 500


@dataclass(slots=True)
class _Entry:
    role: Party
    text: str
    item_id: str = ""


class Memory:
    """One call's memory: the newest 200 entries of talk, the newest 40 facts."""

    def __init__(self, brief: CallBrief) -> None:
        self._brief = brief
        self._said: deque[_Entry] = deque((_Entry(turn.role, _heard(turn)) for turn in brief.history if _heard(turn)), maxlen=_MOST_WORDS)
        self._unheard: deque[_Entry] = deque(maxlen=_MOST_WORDS)
        self._facts: deque[str] = deque(maxlen=_MOST_FACTS)
        for outcome in brief.outcomes:
            self.fact(tool_fact(outcome.name, outcome.output, failed=outcome.failed))
        for note in brief.notes:
            self.fact(note_fact(note))

    def caller_begins(self) -> None:
        """The caller begins to speak: whatever their words turn out to be, they belong here."""
        self._unheard.append(_Entry("caller", ""))
        self._said.append(self._unheard[-1])

    def caller(self, text: str) -> None:
        """The caller said this: the oldest utterance whose words were not known yet."""
        if self._unheard:
            self._unheard.popleft().text = text.strip()
        else:
            self._said.append(_Entry("caller", text.strip()))

    def caller_typed(self, text: str) -> None:
        """The caller wrote this (or said it to an engine before)."""
        if not any(entry.role == "caller" and entry.text == text.strip() for entry in [*self._said][-2:]):
            self._said.append(_Entry("caller", text.strip()))

    @property
    def awaits_words(self) -> bool:
        """Whether the caller has said something that is not known yet."""
        return bool(self._unheard)

    def agent(self, item_id: str, text: str, *, joins: bool = False) -> None:
        """The agent says this, in this item, after what it said in it before; ``joins``: without a blank between."""
        entry = self._entry(item_id)
        if entry is None:
            self._said.append(_Entry("agent", text.strip(), item_id))
        else:
            entry.text = f"{entry.text}{'' if joins else ' '}{text}".strip()

    def heard(self, item_id: str, heard_text: str) -> None:
        """Only this was heard of the item."""
        entry = self._entry(item_id)
        if entry is not None:
            entry.text = heard_text.strip()

    def text_of(self, item_id: str) -> str:
        """What is known to have been said in the item."""
        entry = self._entry(item_id)
        return entry.text if entry is not None else ""

    def fact(self, sentence: str) -> None:
        """Something the model must know; the same again moves to the end."""
        known = " ".join(sentence.split())[:_LONGEST_FACT]
        if known in self._facts:
            self._facts.remove(known)
        if known:
            self._facts.append(known)

    def unanswered(self, asides: tuple[str, ...] = ()) -> str:
        """What the caller said last and got no whole sentence for an answer; ``asides`` answer nothing."""
        texts: list[str] = []
        for entry in reversed(self._said):
            if entry.role == "caller" and entry.text:
                texts.append(entry.text)
            elif entry.text and entry.text not in asides and unfinished_sentence(entry.text) != entry.text:
                break
        return " ".join(reversed(texts))

    def model_brief(self, generation: int) -> ModelBrief:
        """What the model's next session is told."""
        said = tuple(Said(entry.role, entry.text) for entry in self._said if entry.text)
        return ModelBrief(self._brief.call_id, generation, self._brief.config, tuple(self._facts), said)

    def _entry(self, item_id: str) -> _Entry | None:
        return next((entry for entry in reversed(self._said) if entry.item_id and entry.item_id == item_id), None)


def tool_fact(name: str, output: str, *, failed: bool) -> str:
    """A tool has ended."""
    action = name.replace("_", " ")
    return f"{action} did not succeed: {output}" if failed else f"{action} is done: {output}"


def note_fact(note: str) -> str:
    """The business has told the agent something during the call."""
    return f"Good to know for this call: {note}"


def refuted_fact(claim: str) -> str:
    """The model claimed what is not so."""
    return f'Nothing has been done yet of what you said before ("{claim}"); never say so before it is done.'


def _heard(turn: Turn) -> str:
    return (turn.heard_text if turn.role == "agent" else turn.text).strip()
