"""API keys as text."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.access import keys
from control_plane.access.keys import SECRET_BYTES, key_hash, read_key, same_hash, write_key
from nexus.errors import NotAuthorised

KEY_ID = "key_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"
tenants = st.from_regex(r"[a-z0-9][a-z0-9_-]{1,62}", fullmatch=True).filter(
    lambda name: name not in {"all", "none", "null", "undefined", "default", "system", "admin", "nexus"}
)


@given(mode=st.sampled_from(["live", "test", "pub"]), tenant=tenants, entropy=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES))
def test_what_is_written_is_read(mode: keys.Mode, tenant: str, entropy: bytes) -> None:
    """Also for tenants whose ids look like parts of a key."""
    told = read_key(write_key(mode, tenant, KEY_ID, entropy))
    assert (told.mode, told.tenant_id, told.key_id) == (mode, tenant, KEY_ID)


@given(text=st.text(max_size=200))
def test_anything_else_is_refused_alike(text: str) -> None:
    with pytest.raises(NotAuthorised) as caught:
        read_key(text)
    assert caught.value.code == "credential_invalid"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text.upper(),
        lambda text: text.replace("nx_live_", "nx_root_"),
        lambda text: text.replace("_acme_", "_ACME_"),
        lambda text: text.replace("_acme_", "_../acme_"),
        lambda text: text.replace("_acme_", "__platform_"),
        lambda text: text.replace("_acme_", "_admin_"),
        lambda text: text[:-1] + "é",
        lambda text: text[:-1] + "٣",
    ],
)
def test_near_misses_are_no_keys(change: object) -> None:
    text = write_key("live", "acme", KEY_ID, bytes(SECRET_BYTES))
    with pytest.raises(NotAuthorised, match="credential_invalid"):
        read_key(change(text))  # type: ignore[operator]


def test_the_hash_needs_the_pepper_and_every_character() -> None:
    text = write_key("live", "acme", KEY_ID, bytes(range(SECRET_BYTES)))
    assert key_hash(text, b"one") == key_hash(text, b"one")
    assert key_hash(text, b"one") != key_hash(text, b"two")
    assert key_hash(text, b"one") != key_hash(text.replace("live", "test", 1), b"one")
    assert text[-43:] not in key_hash(text, b"one")
    assert same_hash("ab", "ab") and not same_hash("ab", "aB") and not same_hash("ab", "")


def test_secrets_are_compared_in_constant_time() -> None:
    assert "compare_digest" in inspect.getsource(same_hash)
    assert " == " not in inspect.getsource(same_hash)
