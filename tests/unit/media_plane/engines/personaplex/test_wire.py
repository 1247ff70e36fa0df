"""The wire's words: what counts as the handshake, what stands in the address, how pieces become text."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from media_plane.engines.personaplex.wire import REQUEST_LINE_LIMIT_BYTES, TextPieces, audio_message, chat_url, encoded_bytes, is_handshake
from nexus.errors import ConfigurationError
from tests.fakes.personaplex_tape import tape

ADDRESS = "ws://127.0.0.1:8998/api/chat"
PROMPTS = st.text(min_size=1, max_size=300).filter(lambda text: text.strip() and "\x00" not in text and text.isprintable())


# --- handshake ---------------------------------------------------------------------------------------------------------------


def test_the_recorded_servers_first_message_is_the_handshake_and_no_other_is() -> None:
    first, *rest = tape("echo-10s").server
    assert is_handshake(first)
    assert not any(map(is_handshake, rest))


@pytest.mark.parametrize("message", [b"\x00", b"\x00" + bytes(8)], ids=["NVIDIA's", "Moshi's"])
def test_both_forms_of_the_handshake_count(message: bytes) -> None:
    assert is_handshake(message)


@pytest.mark.parametrize("message", [b"", "", "\x00", b"\x01OggS", b"\x02Hi"])
def test_nothing_else_does(message: bytes | str) -> None:
    assert not is_handshake(message)


def test_caller_audio_is_marked_as_such() -> None:
    assert audio_message(b"OggS...") == b"\x01OggS..."


# --- address -----------------------------------------------------------------------------------------------------------------


@given(PROMPTS)
def test_any_prompt_arrives_as_it_was_at_the_servers_parser(prompt: str) -> None:
    url = chat_url(ADDRESS, prompt=prompt, voice_file="NATF0.pt")
    assert dict(URL(url, encoded=True).query) == {"text_prompt": prompt, "voice_prompt": "NATF0.pt"}
    assert url.isascii() and not set(url) & set(' #\r\n"<>\\^`{|}')


@given(PROMPTS)
def test_the_size_of_a_prompt_is_what_it_takes_of_the_address(prompt: str) -> None:
    empty = len(chat_url(ADDRESS, prompt="x", voice_file="NATF0.pt")) - 1
    assert len(chat_url(ADDRESS, prompt=prompt, voice_file="NATF0.pt")) == empty + encoded_bytes(prompt)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("ws://gpu:8998", "/api/chat"),
        ("ws://gpu:8998/", "/api/chat"),
        ("wss://gpu/api/chat", "/api/chat"),
        ("ws://gpu/behind/a/proxy", "/behind/a/proxy"),
    ],
)
def test_an_address_without_a_path_gets_the_servers(address: str, path: str) -> None:
    assert urlsplit(chat_url(address, prompt="p", voice_file="v.pt")).path == path


def test_the_addresss_own_query_stays_but_never_a_seed_or_a_second_prompt() -> None:
    url = chat_url(ADDRESS + "?key=a%26b&seed=7&text_prompt=mine&voice_prompt=../../x", prompt="p", voice_file="NATF0.pt")
    assert parse_qsl(urlsplit(url).query) == [("key", "a&b"), ("text_prompt", "p"), ("voice_prompt", "NATF0.pt")]


@pytest.mark.parametrize("address", ["", "localhost:8998", "http://gpu:8998/api/chat", "ws:///api/chat"])
def test_an_address_that_is_no_websockets_names_its_setting(address: str) -> None:
    with pytest.raises(ConfigurationError, match="PERSONAPLEX_WS_URL"):
        chat_url(address, prompt="p", voice_file="v.pt")


def test_a_request_line_that_the_server_would_refuse_is_never_made() -> None:
    assert len(chat_url(ADDRESS, prompt="x" * 7_900, voice_file="NATF0.pt")) < REQUEST_LINE_LIMIT_BYTES + len("ws://127.0.0.1:8998")
    with pytest.raises(ConfigurationError, match="PERSONAPLEX_PROMPT_BYTES"):
        chat_url(ADDRESS, prompt="x" * 8_000, voice_file="NATF0.pt")


@pytest.mark.parametrize(("prompt", "voice"), [("", "NATF0.pt"), ("  ", "NATF0.pt"), ("p", "")])
def test_an_empty_parameter_breaks_the_server_and_is_never_sent(prompt: str, voice: str) -> None:
    with pytest.raises(ValueError, match="needs a prompt and a voice"):
        chat_url(ADDRESS, prompt=prompt, voice_file=voice)


# --- text --------------------------------------------------------------------------------------------------------------------


def joined(pieces: list[bytes]) -> str:
    text = TextPieces()
    return "".join([*map(text.feed, pieces), text.flush()])


def byte_pieces(text: str) -> list[bytes]:
    return [b"<0x%02X>" % byte for byte in text.encode()]


def test_the_recorded_servers_pieces_join_to_its_sentences() -> None:
    text = joined([message[1:] for message in tape("echo-10s").server if message[:1] == b"\x02"])
    assert text.startswith(" H") and "\ufffd" not in text and "<0x" not in text


@given(st.lists(st.tuples(st.text(max_size=12).filter(lambda text: "<0x" not in text and text.isprintable()), st.booleans())))
def test_characters_come_back_whole_whether_as_text_or_as_bytes(parts: list[tuple[str, bool]]) -> None:
    pieces = [piece for text, in_bytes in parts for piece in (byte_pieces(text) if in_bytes else [text.encode()])]
    assert joined(pieces) == "".join(text for text, _ in parts)


def test_a_character_in_bytes_is_given_once_it_is_whole() -> None:
    text = TextPieces()
    assert [text.feed(piece) for piece in byte_pieces("a€")] == ["a", "", "", "€"]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"<0xE2>", b" then"], "\ufffd then"),
        ([b"<0xE2>", b"<0x82>"], "\ufffd"),
        ([b"<0xFF>", b"ok"], "\ufffdok"),
        ([b"<0x80>"] * 3, "\ufffd" * 3),
        ([b"\xe2\x82"], "\ufffd"),
        ([b"<0xE2", b"> no byte piece"], "<0xE2> no byte piece"),
        ([b"<0x0A>", b"a\x00b\x1b"], " a b "),
    ],
)
def test_what_is_no_character_becomes_one_that_says_so(pieces: list[bytes], expected: str) -> None:
    assert joined(pieces) == expected


@given(st.lists(st.one_of(st.binary(max_size=20), st.integers(0, 255).map(lambda byte: b"<0x%02x>" % byte)), max_size=200))
def test_any_bytes_are_survived_and_hold_no_control_characters(pieces: list[bytes]) -> None:
    assert all(character >= " " and character != "\x7f" for character in joined(pieces))
