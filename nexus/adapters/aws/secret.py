"""The installation's own secret in Secrets Manager, read once when a process starts."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from nexus.adapters.aws.connection import Connection, translated
from nexus.errors import ConfigurationError


def read_secret(connection: Connection, name: str) -> dict[str, Any]:
    """The JSON object that the secret holds. Blocks: it is read before the first request is taken.

    Raises:
        Unavailable: it cannot be read.
        ConfigurationError: ``setting_invalid``: it holds no JSON object.
    """
    try:
        text = connection.client("secretsmanager").get_secret_value(SecretId=name).get("SecretString", "")
    except (ClientError, BotoCoreError) as error:
        raise translated(error, connection.place) from error
    try:
        held = json.loads(text)
    except ValueError:
        held = None
    if not isinstance(held, dict):
        raise ConfigurationError("setting_invalid", f"The secret {name} must hold a JSON object as text.")
    return held


def read_text(name: str) -> str:
    """A secret that is one word, as it stands. Blocks.

    Raises:
        ConfigurationError: ``setting_invalid``: it is empty, or cannot be read.
    """
    try:
        client: Any = get_session().create_client("secretsmanager")
        text = str(client.get_secret_value(SecretId=name).get("SecretString", "")).strip()
    except (ClientError, BotoCoreError) as error:
        raise ConfigurationError("setting_invalid", f"The secret {name} cannot be read: has it been given a value?") from error
    if not text:
        raise ConfigurationError("setting_invalid", f"The secret {name} is empty.")
    return text
