"""The messages and the address of NVIDIA's PersonaPlex server.

Every message is binary and begins with its kind. The server sends the handshake once it listens, then Ogg pages and pieces of text.

**Source:** github.com/NVIDIA/personaplex at 3428dfd, moshi/moshi/server.py (``handle_chat``).
"""

from __future__ import annotations

import codecs
import re
from enum import IntEnum
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit, urlunsplit

from nexus.errors import ConfigurationError

REQUEST_LINE_LIMIT_BYTES = 8_000
"""The server refuses a request line from about 8 KB on with HTTP 400."""
_PATH = "/api/chat"
_UNESCAPED = "!'()*,/:?@"
"""Characters that a query may hold as they are (RFC 3986 section 3.4) and no parser of forms gives a meaning."""
_OUR_PARAMETERS = frozenset({"text_prompt", "voice_prompt", "seed"})
"""``seed`` is never sent: the server's handler breaks on it and drops the connection."""
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Kind(IntEnum):
    """The first byte of a message. The server itself uses only the first three."""

    HANDSHAKE = 0
    AUDIO = 1
    TEXT = 2
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6


_AUDIO_BYTE = bytes((Kind.AUDIO,))


def is_handshake(message: bytes | str) -> bool:
    """Whether this says that the model listens. NVIDIA's server sends the one byte; Moshi's sends more after it."""
    return isinstance(message, bytes) and message[:1] == bytes((Kind.HANDSHAKE,))


def audio_message(ogg: bytes) -> bytes:
    """Caller audio for the wire."""
    return _AUDIO_BYTE + ogg


def encoded(text: str) -> str:
    """Text as it stands in the query of the address; what is no character (half of a surrogate pair) becomes a question mark."""
    return quote_plus(text, safe=_UNESCAPED, errors="replace")


def encoded_bytes(text: str) -> int:
    """How much of the request line the text takes."""
    return len(encoded(text))


def chat_url(address: str, *, prompt: str, voice_file: str) -> str:
    """The address of a session. A query in ``address`` is kept (a proxy's key), but never a parameter of ours or a seed.

    Raises:
        ConfigurationError: ``setting_invalid``: the address is not a WebSocket's, or the request line is too long.
        ValueError: the prompt or the voice is empty, which breaks the server's handler.
    """
    if not prompt.strip() or not voice_file:
        raise ValueError("a PersonaPlex session needs a prompt and a voice")
    parts = urlsplit(address)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigurationError("setting_invalid", "PERSONAPLEX_WS_URL must be ws://host:port/api/chat, or wss:// behind TLS.")
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in _OUR_PARAMETERS]
    path = parts.path if parts.path not in ("", "/") else _PATH
    query = "&".join(filter(None, (urlencode(kept), f"text_prompt={encoded(prompt)}", f"voice_prompt={encoded(voice_file)}")))
    if len(path) + len(query) > REQUEST_LINE_LIMIT_BYTES:
        raise ConfigurationError("setting_invalid", "PERSONAPLEX_PROMPT_BYTES is too large for the 8 KB request line; set 6000 or less.")
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


class TextPieces:
    """Pieces of the model's words as they come, as text to be joined without anything between.

    A character that the model's vocabulary lacks comes as its UTF-8 bytes, one piece each, written ``<0xE2>``: they are held until the
    character is whole (at most three). What is no character becomes U+FFFD, a control character a space.
    """

    def __init__(self) -> None:
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, payload: bytes) -> str:
        """The text that is whole by now; often the piece itself, sometimes nothing."""
        piece = payload.decode("utf-8", "replace")
        byte = _BYTE_PIECE.fullmatch(piece)
        text = self._bytes.decode(bytes.fromhex(byte[1])) if byte else self.flush() + piece
        return _CONTROL.sub(" ", text)

    def flush(self) -> str:
        """What an unfinished character leaves: U+FFFD, or nothing."""
        left = self._bytes.decode(b"", final=True)
        self._bytes.reset()
        return left
