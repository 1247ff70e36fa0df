"""What the server's messages hold: the model's audio and words. Pure: messages in, line events out."""

from __future__ import annotations

import logging

from media_plane.codecs.ogg import OggReader
from media_plane.codecs.opus import OpusCorrupt, OpusDecoder
from media_plane.engines.personaplex.wire import Kind, TextPieces
from media_plane.ports.speech_line import LineEvent, LineNotice, ModelAudio, ModelText

OUTPUT_RATE_HZ = 24_000
MODEL_FRAME_MS = 80
"""The model speaks in steps of this length, one packet each."""
CONCEALED_LIMIT = 5
"""So many lost packets in a row are concealed; beyond that the model is simply silent."""
MESSAGE_PACKETS = 250
"""So many packets of one message are decoded, as much as a ``Delivery`` holds; a server that sends more is broken, or means harm."""
_log = logging.getLogger("nexus.personaplex")


class ModelStream:
    """One session's incoming stream. Time is told by decoded samples only: the page positions of the server run at half speed.

    Nothing is cut off at the start (the header's pre-skip): the server's library does not do it either, and the first frame counts.
    """

    def __init__(self) -> None:
        self._ogg = OggReader()
        self._decoder = OpusDecoder(OUTPUT_RATE_HZ)
        self._text = TextPieces()
        self._missing_pages = 0
        self._lost_in_a_row = 0
        self.left_out = 0
        """Packets beyond ``MESSAGE_PACKETS``."""
        self.corrupt = 0
        """Packets that were lost or could not be decoded."""

    def feed(self, message: bytes | str) -> list[LineEvent]:
        """The events of one message, in order; none for what the line has no use for."""
        if not isinstance(message, bytes) or not message:
            return []
        if message[0] == Kind.AUDIO:
            return self._audio(message[1:])
        if message[0] == Kind.TEXT:
            text = self._text.feed(message[1:])
            return [ModelText(text)] if text else []
        if message[0] == Kind.ERROR:  # no server was seen to send it
            _log.warning("the speech model's server reports: %s", message[1:200].decode("utf-8", "replace"))
        return []

    def _audio(self, ogg: bytes) -> list[LineEvent]:
        events: list[LineEvent] = []
        packets = self._ogg.feed(ogg)
        missing = self._ogg.faults.missing_pages - self._missing_pages
        self._missing_pages += missing
        for _ in range(missing):
            self._conceal(events)
            if self._lost_in_a_row > CONCEALED_LIMIT:
                break
        for packet in packets[:MESSAGE_PACKETS]:
            try:
                frame = self._decoder.decode(packet)
            except OpusCorrupt:
                self._conceal(events)
            else:
                self._lost_in_a_row = 0
                events.append(ModelAudio(frame))
        if excess := len(packets[MESSAGE_PACKETS:]):
            if not self.left_out:
                events.append(LineNotice("audio_dropped", "The model's server sent far more audio at once than it owes; it was left out."))
            self.left_out += excess
        return events

    def _conceal(self, events: list[LineEvent]) -> None:
        self.corrupt += 1
        self._lost_in_a_row += 1
        if self.corrupt == 1:
            events.append(LineNotice("audio_corrupt", "Some of the model's audio was lost or broken; the gap was concealed."))
        if self._lost_in_a_row <= CONCEALED_LIMIT:
            events.append(ModelAudio(self._decoder.conceal(MODEL_FRAME_MS)))
