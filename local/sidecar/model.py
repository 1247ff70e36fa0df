"""The one model object that all connections of a server process share: the place where prompts leak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from local.sidecar.options import VOICES

_SYSTEM = "<system>"


@dataclass(slots=True)
class SharedModel:
    """The genuine server writes both before it takes its lock, so that whoever connects last decides for everybody who waits."""

    voice: str = ""
    prompt: str | None = None

    def load(self, query: Mapping[str, str]) -> bool:
        """Take the parameters of a new connection, in the genuine order. False: it fails there, and keeps what was written by then."""
        if query.get("voice_prompt") not in VOICES:
            return False
        self.voice = query["voice_prompt"]
        if "text_prompt" not in query:
            return False
        self.prompt = wrapped(query["text_prompt"]) if query["text_prompt"] else None
        return "seed" not in query


def wrapped(prompt: str) -> str:
    """The prompt between the tags that the model was trained with."""
    text = prompt.strip()
    return text if text.startswith(_SYSTEM) and text.endswith(_SYSTEM) else f"{_SYSTEM} {text} {_SYSTEM}"


def bare(prompt: str) -> str:
    """The prompt without its tags."""
    return prompt.removeprefix(_SYSTEM).removesuffix(_SYSTEM).strip()
