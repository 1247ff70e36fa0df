"""Our own voice beside the model's: it speaks once the model has given way."""

from __future__ import annotations

import asyncio

from media_plane.engines.duplex.floor import Floor
from media_plane.engines.duplex.model_voice import ModelVoice
from media_plane.engines.speaking import Speaker
from nexus.clock import Clock


class OwnVoice:
    """Implements ``Mouth``: words wait until the model's sentence is over (``ModelVoiceLimits.give_way_ms`` at most), so that never two
    voices speak at once."""

    def __init__(self, speaker: Speaker, floor: Floor, model: ModelVoice, clock: Clock) -> None:
        self._speaker = speaker
        self._floor = floor
        self._model = model
        self._clock = clock
        self._changed = asyncio.Event()

    def look(self) -> None:
        """Something changed on the floor."""
        self._changed.set()

    async def words(self, item_id: str, text: str) -> None:
        """Speak these words, after everything given before."""
        await self._take_floor(item_id)
        await self._speaker.words(item_id, text)

    async def end(self, item_id: str) -> None:
        """The item is complete."""
        await self._speaker.end(item_id)

    async def hang_up(self) -> None:
        """Ask for the end of the call once everything is spoken."""
        await self._speaker.hang_up()

    def silence(self, item_id: str) -> None:
        """Give nothing more of the item; what went out is still heard."""
        if item_id:
            self._speaker.silence(item_id)

    async def _take_floor(self, item_id: str) -> None:
        self._floor.own_wants()
        try:
            while self._model.sounds(self._clock.monotonic_ms()):
                self._model.give_way(self._clock.monotonic_ms())
                self._changed.clear()
                await self._changed.wait()
            self._floor.own_begins(item_id)
        finally:
            self._floor.own_wants_no_more()
