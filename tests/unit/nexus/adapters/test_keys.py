"""Keys and the pepper: made once, for the owner only, and never silently weak."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nexus import tickets
from nexus.adapters import keys
from nexus.adapters.embedded import call_pepper, embedded_stores, seal_key, ticket_private_key, ticket_public_keys
from nexus.errors import ConfigurationError, Unavailable
from nexus.settings.values import load_settings


def test_a_key_pair_is_made_once_and_fits(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ticket.pem"
    first = keys.private_key(path)
    assert keys.private_key(path) == first
    public = tickets.public_key_of(first)
    assert keys.public_keys(path.parent) == {tickets.key_id(public): public}


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    keys.private_key(folder / "ticket.pem")
    keys.pepper(folder / "pepper")
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
        "ticket.pem": 0o600,
        "ticket.pub.pem": 0o600,
        "pepper": 0o600,
    }
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("make", [keys.private_key, keys.pepper])
def test_threads_that_start_at_once_have_the_same_secret(make: object, tmp_path: Path) -> None:
    assert callable(make)
    for attempt in range(5):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(make, [tmp_path / str(attempt) / "secret.pem"] * 8))
        assert len(set(made)) == 1 and made[0]


def test_an_older_public_key_is_taken_beside_the_new_one(tmp_path: Path) -> None:
    """Rotation: tickets signed a minute ago still open their calls."""
    keys.private_key(tmp_path / "old.pem")
    keys.private_key(tmp_path / "ticket.pem")
    assert len(keys.public_keys(tmp_path)) == 2


def test_a_public_key_of_another_pair_is_a_setting_to_mend(tmp_path: Path) -> None:
    keys.private_key(tmp_path / "ticket.pem")
    (tmp_path / "ticket.pem").write_text(tickets.new_private_key())
    with pytest.raises(ConfigurationError) as refused:
        keys.private_key(tmp_path / "ticket.pem")
    assert "ticket.pub.pem" in refused.value.public_message


@pytest.mark.parametrize("text", ["", "\n", "ab", "ab" * 31, "ab" * 32 + "c", "not hex at all" * 8])
def test_a_weak_pepper_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "pepper").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        keys.pepper(tmp_path / "pepper")
    assert refused.value.code == "setting_invalid" and str(tmp_path / "pepper") in refused.value.public_message


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for make in (keys.private_key, keys.pepper):
        with pytest.raises(Unavailable) as refused:
            make(tmp_path / "file" / "secret")
        assert str(tmp_path / "file" / "secret") in refused.value.public_message


def test_without_a_folder_there_are_no_public_keys(tmp_path: Path) -> None:
    assert keys.public_keys(tmp_path / "nowhere") == {}


async def test_the_stores_of_one_machine_open_nothing_until_used(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path / "data", tenants_dir=tmp_path / "tenants")
    stores = embedded_stores(settings)
    assert not (tmp_path / "data").exists()
    await stores.tool_values.put("barber", "k", 1)
    assert (tmp_path / "data" / "nexus.sqlite").is_file()
    assert stores.ids.new("call").startswith("call_")


def test_keys_lie_under_the_data_folder_unless_a_file_is_named(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path / "data")
    private = ticket_private_key(settings)
    assert list(ticket_public_keys(settings)) == [tickets.key_id(tickets.public_key_of(private))]
    assert len(call_pepper(settings)) == 32
    named = load_settings(None, data_dir=tmp_path / "data", ticket_private_key_file=str(tmp_path / "mine.pem"))
    assert ticket_private_key(named) != private and (tmp_path / "mine.pem").is_file()


def test_keys_told_as_text_win_over_the_folder(tmp_path: Path) -> None:
    """A container has no folder that it shares with others."""
    one, two = (tickets.public_key_of(tickets.new_private_key()) for _ in range(2))
    settings = load_settings(
        None, data_dir=tmp_path / "data", ticket_public_keys=f"# old\n{one}\n{two}", call_pepper="1f" * 32, seal_key="2F" * 32
    )
    assert set(ticket_public_keys(settings)) == {tickets.key_id(one), tickets.key_id(two)}
    assert (call_pepper(settings), seal_key(settings)) == (b"\x1f" * 32, b"\x2f" * 32)
    assert not (tmp_path / "data").exists()
    in_one_line = one.strip().replace("\n", "\\n")
    assert list(keys.public_keys_of(in_one_line)) == [tickets.key_id(one)]


@pytest.mark.parametrize("text", ["x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "-----BEGIN PRIVATE KEY-----"])
def test_a_text_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        keys.public_keys_of(text)


def test_a_private_key_is_not_taken_for_a_public_one() -> None:
    with pytest.raises(ConfigurationError, match="no public key"):
        keys.public_keys_of(tickets.new_private_key())


def test_stores_elsewhere_are_not_opened_here(tmp_path: Path) -> None:
    named = {"aws_table": "abc", "aws_bucket": "abc", "ticket_public_keys": "x", "call_pepper": "1f" * 32, "seal_key": "1f" * 32}
    with pytest.raises(ConfigurationError, match="leave STORES out"):
        embedded_stores(load_settings(None, stores="aws", data_dir=tmp_path, **named))
