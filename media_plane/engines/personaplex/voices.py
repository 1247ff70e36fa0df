"""Which of PersonaPlex's voices speaks for a ``voice_id``, always out of a fixed list.

The server joins the name to a folder and loads the file without looking at it, so nothing that a tenant wrote may reach it.

**Source:** github.com/NVIDIA/personaplex README, section "Voices" (the names).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MODEL_VOICES = frozenset(
    f"{group}{number}" for group, count in (("NATF", 4), ("NATM", 4), ("VARF", 5), ("VARM", 5)) for number in range(count)
)
"""Natural and varied voices, female and male."""
DEFAULT_MALE = "NATM1"
DEFAULT_FEMALE = "NATF1"
_FEMALE_WORD = re.compile(r"(?<![a-z])(female|woman|girl|lady|f)(?![a-z])")

VOICES: dict[str, str] = {
    "joe": "NATM0",
    "en_us_male_calm": "NATM1",
    "en_us_male_friendly": "NATM0",
    "en_us_male_professional": "NATM2",
    "en_us_male_energetic": "NATM3",
    "en_us_female_calm": "NATF1",
    "en_us_female_friendly": "NATF0",
    "en_us_female_professional": "NATF2",
    "en_us_female_energetic": "NATF3",
}
"""Lower-case ``voice_id`` to a voice of the model; docs/personaplex.md shows this table."""


@dataclass(frozen=True, slots=True)
class ModelVoice:
    """``exact`` is False where a default stands in for a name that nobody knows."""

    name: str
    exact: bool = True

    @property
    def file(self) -> str:
        """What the server calls it."""
        return f"{self.name}.pt"


def choose_model_voice(voice_id: str) -> ModelVoice:
    """The model's voice for a configured name: one of ours, one of the original's, or the model's own with or without ``.pt``.

    A name that nobody knows gets the default of its gender, told by a word in it; without such a word the male one, like the default
    ``voice_id``.
    """
    name = voice_id.strip().lower()
    own = name.removesuffix(".pt").upper()
    if own in MODEL_VOICES:
        return ModelVoice(own)
    if name in VOICES:
        return ModelVoice(VOICES[name])
    return ModelVoice(DEFAULT_FEMALE if _FEMALE_WORD.search(name) else DEFAULT_MALE, exact=False)
