"""Keys and secrets in files of mode 600, made at first use."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from nexus import tickets
from nexus.errors import ConfigurationError, Unavailable

_PUBLIC_PEM = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)
_PEPPER = re.compile(r"(?:[0-9a-fA-F]{2}){32,}")


def private_key(path: Path) -> str:
    """The ticket signing key; made, with ``*.pub.pem`` beside it, when there is none. Raises Unavailable, ConfigurationError."""
    try:
        if not path.exists():
            _write_new(path, tickets.new_private_key())
        pem = path.read_text()
        public = path.with_suffix(".pub.pem")
        if not public.exists():
            _write_new(public, tickets.public_key_of(pem))
        known = public.read_text()
    except OSError as error:
        raise _unavailable(path) from error
    if tickets.key_id(known) != tickets.key_id(tickets.public_key_of(pem)):
        raise ConfigurationError("setting_invalid", f"{public} belongs to another key than {path}; rename it, and it is made anew.")
    return pem


def public_keys(folder: Path) -> dict[str, str]:
    """Every ``*.pub.pem`` of a folder by kid. Raises Unavailable."""
    try:
        pems = [path.read_text() for path in sorted(folder.glob("*.pub.pem"))]
    except OSError as error:
        raise _unavailable(folder) from error
    return {tickets.key_id(pem): pem for pem in pems}


def public_keys_of(text: str) -> dict[str, str]:
    """Every public key of a text by kid; a line break may be written as ``\\n``. Raises ConfigurationError."""
    pems = _PUBLIC_PEM.findall(text.replace("\\n", "\n"))
    if not pems:
        raise ConfigurationError("setting_invalid", "TICKET_PUBLIC_KEYS holds no public key in PEM form (-----BEGIN PUBLIC KEY-----).")
    return {tickets.key_id(pem): pem for pem in pems}


def pepper(path: Path) -> bytes:
    """A secret of 32 random bytes, made when there is none. Raises Unavailable, ConfigurationError."""
    try:
        if not path.exists():
            _write_new(path, secrets.token_hex(32))
        text = path.read_text()
    except OSError as error:
        raise _unavailable(path) from error
    if _PEPPER.fullmatch(text.strip()) is None:
        raise ConfigurationError("setting_invalid", f"CALL_PEPPER_FILE: {path} must hold 32 or more pairs of hex digits.")
    return bytes.fromhex(text.strip())


def _write_new(path: Path, text: str) -> None:
    """Create with mode 600; whoever else creates it at the same time wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _unavailable(path: Path) -> Unavailable:
    return Unavailable(
        "store_unavailable", f"The key file {path} cannot be read or written: check the folder's owner, mode and free space."
    )
