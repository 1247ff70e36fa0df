"""The installation's own keys: one secret with all of them in Secrets Manager, and one for each reader with its share alone.

Nothing that is there is ever replaced but the key that signs tickets, and that in two steps (``Turn``): calls go on all the while.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import boto3

from nexus.errors import ConfigurationError
from nexus.tickets import new_private_key, public_key_of

_HEX_BYTES = 32
_GIVEN = ("gemini_api_key",)


class Turn(StrEnum):
    """What is done beside filling in what is missing."""

    NONE = ""
    BEGIN = "begin"
    """A next key is told to the media plane, and nothing is signed with it yet."""
    FINISH = "finish"
    """The next key signs from now on; the media plane takes tickets of the former still."""


@dataclass(frozen=True, slots=True)
class KeysPlace:
    """The secret with every key, those of shares by the variable that names them, and a client of boto3 for Secrets Manager."""

    client: Any
    control_secret: str
    shares: Mapping[str, str]


def keys_place() -> KeysPlace:
    """As the environment names it: ``NEXUS_KEYS_SECRET``, and one variable for each of ``SHARES``. Raises ConfigurationError."""
    named = {name: os.environ.get(name, "") for name in ("NEXUS_KEYS_SECRET", *SHARES)}
    if missing := [name for name, value in named.items() if not value]:
        raise ConfigurationError("setting_invalid", f"The function's environment lacks {', '.join(missing)}.")
    return KeysPlace(boto3.client("secretsmanager"), named.pop("NEXUS_KEYS_SECRET"), named)


def filled(control: Mapping[str, str], turn: Turn = Turn.NONE) -> dict[str, str]:
    """What the control plane's secret is to hold. Raises ConfigurationError: ``finish`` without ``begin``."""
    keys = {name: secrets.token_hex(_HEX_BYTES) for name in ("cursors", "api_keys", "seal", "call_pepper")}
    keys |= {"ticket_private_key": new_private_key(), "gemini_api_key": "", **control}
    if turn is Turn.BEGIN:
        keys.setdefault("next_ticket_private_key", new_private_key())
    if turn is Turn.FINISH:
        if "next_ticket_private_key" not in keys:
            raise ConfigurationError("setting_invalid", "No key is waiting to sign: begin first, and renew the media tasks.")
        keys["former_ticket_public_key"] = public_key_of(keys["ticket_private_key"])
        keys["ticket_private_key"] = keys.pop("next_ticket_private_key")
    return keys


def for_media(keys: Mapping[str, str]) -> dict[str, str]:
    """What the media plane's secret is to hold: every key of which a ticket may come, as public keys."""
    private = [keys[name] for name in ("ticket_private_key", "next_ticket_private_key") if name in keys]
    public = [public_key_of(one) for one in private] + [keys[name] for name in ("former_ticket_public_key",) if name in keys]
    return {"ticket_public_keys": "".join(public), **{name: keys[name] for name in ("call_pepper", "seal", "gemini_api_key")}}


def for_authorizer(keys: Mapping[str, str]) -> dict[str, str]:
    """What the function that knows API keys is to hold: what they are hashed with."""
    return {"api_keys": keys["api_keys"]}


def for_reader(keys: Mapping[str, str]) -> dict[str, str]:
    """What the function that reads finished calls is to hold: the key of the model."""
    return {"gemini_api_key": keys["gemini_api_key"]}


SHARES: Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    "NEXUS_MEDIA_SECRET": for_media,
    "NEXUS_AUTHORIZER_SECRET": for_authorizer,
    "NEXUS_READER_SECRET": for_reader,
}
"""Who is given a secret of their own, by the variable that names it, and what of the keys it holds."""


def write_keys(place: KeysPlace, *, turn: Turn = Turn.NONE, given: Mapping[str, str] | None = None) -> None:
    """Fill every secret. Whatever is as it should be is not written.

    Raises:
        ConfigurationError: ``given`` names something that is not given from outside, or a turn has no beginning.
    """
    if unknown := sorted(set(given or ()) - set(_GIVEN)):
        raise ConfigurationError("setting_invalid", f"{', '.join(unknown)}: only {', '.join(_GIVEN)} can be given.")
    held = _read(place.client, place.control_secret)
    keys = filled({**held, **(given or {})}, turn)
    # Kept first: keys that only a reader knew would be lost.
    _write(place.client, place.control_secret, held, keys)
    for name, share in SHARES.items():
        _write(place.client, place.shares[name], _read(place.client, place.shares[name]), share(keys))


def _read(client: Any, name: str) -> dict[str, str]:
    try:
        return dict(json.loads(client.get_secret_value(SecretId=name).get("SecretString") or "{}"))
    except client.exceptions.ResourceNotFoundException:
        return {}  # the secret is made, and nothing was put into it yet


def _write(client: Any, name: str, held: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    if held != wanted:
        client.put_secret_value(SecretId=name, SecretString=json.dumps(wanted))
