"""Which of our voices speaks for a ``voice_id``: the original's names as data.

One voice is embedded today (``joe``, American English, male). A name whose voice we do not carry maps to it too, marked as a
stand-in, so that the log can say honestly that a female voice was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

EMBEDDED_VOICE = "joe"


@dataclass(frozen=True, slots=True)
class VoiceChoice:
    """``exact`` is False where another voice stands in for the one asked for; ``pace`` multiplies the configured speed."""

    voice: str
    exact: bool = True
    pace: float = 1.0


VOICES: dict[str, VoiceChoice] = {
    "joe": VoiceChoice(EMBEDDED_VOICE),
    "en_us_male_calm": VoiceChoice(EMBEDDED_VOICE, pace=0.95),
    "en_us_male_friendly": VoiceChoice(EMBEDDED_VOICE),
    "en_us_male_professional": VoiceChoice(EMBEDDED_VOICE),
    "en_us_male_energetic": VoiceChoice(EMBEDDED_VOICE, pace=1.08),
    "en_us_female_calm": VoiceChoice(EMBEDDED_VOICE, exact=False, pace=0.95),
    "en_us_female_friendly": VoiceChoice(EMBEDDED_VOICE, exact=False),
    "en_us_female_professional": VoiceChoice(EMBEDDED_VOICE, exact=False),
    "en_us_female_energetic": VoiceChoice(EMBEDDED_VOICE, exact=False, pace=1.08),
}
"""Lower-case ``voice_id`` to voice; docs/models.md shows this table and how to add to it."""


def choose_voice(voice_id: str) -> VoiceChoice:
    """The voice for a configured name; the embedded one, not exact, for a name that nobody knows."""
    return VOICES.get(voice_id.strip().lower(), VoiceChoice(EMBEDDED_VOICE, exact=False))
