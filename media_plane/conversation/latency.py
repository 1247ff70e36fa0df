"""Where the time went between the caller's last word and the agent's first: marks in, stages out."""

from __future__ import annotations

from dataclasses import dataclass

from nexus.domain.session import StageTimes


@dataclass(slots=True)
class TurnTimer:
    """Collects the marks of one answer, in milliseconds since connection. Each stage runs from the mark before it, so that the stages
    add up to ``e2e`` exactly; a mark that never came costs its stage nothing."""

    voice_end_ms: float
    endpoint_ms: float | None = None
    transcript_ms: float | None = None
    text_ms: float | None = None
    audio_ms: float | None = None

    def stages(self, first_audio_out_ms: float) -> StageTimes:
        """The stages, once the first audio of the answer went out."""
        at = self.voice_end_ms
        lengths: list[float] = []
        for mark in (self.endpoint_ms, self.transcript_ms, self.text_ms, self.audio_ms, first_audio_out_ms):
            reached = at if mark is None else max(at, mark)
            lengths.append(round(reached - at, 1))
            at = reached
        silence_wait, stt, dialogue, first_sentence, transport = lengths
        return StageTimes(
            silence_wait=silence_wait,
            stt=stt,
            dialogue=dialogue,
            first_sentence=first_sentence,
            transport=transport,
            e2e=round(sum(lengths), 1),
        )
