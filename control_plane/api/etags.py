"""Entity tags: has it changed since it was read? Pure.

A tag is strong: made of the version of the document behind a resource where there is one (``version_tag``), else of the bytes of the answer
(``body_tag``). The conventions answer ``If-None-Match`` for every single object; a route that changes one asks ``check_match`` first.

**Source:** RFC 9110 sections 8.8.3, 13.1.1 and 13.1.2; RFC 6585 section 3 (428).
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from fastapi import Header

from nexus.errors import RequestRejected

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_VERSION = re.compile(r'"v(\d{1,18})"')
IfMatch = Annotated[str, Header(alias="If-Match", max_length=1000, description="the ETag of the object as it was read")]


def version_tag(version: int) -> str:
    """The tag of a document's version."""
    return f'"v{version}"'


def body_tag(body: bytes) -> str:
    """The tag of an answer's bytes."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def check_match(if_match: str, current: str, *, required: bool = True) -> None:
    """Let a change pass that was made of the present state.

    Args:
        if_match: the header's value; empty where there is none.
        current: the tag of the present state; empty where there is no object yet.

    Raises:
        RequestRejected: ``precondition_required`` without the header, ``precondition_failed`` where it names another state.
    """
    if not if_match:
        if required:
            raise RequestRejected("precondition_required", "Read the object first, and send its ETag in the header If-Match.")
        return
    # The strong comparison: a weak tag never matches.
    if not current or (if_match.strip() != "*" and current not in _TAG.findall(if_match)):
        raise stale()


def matched_version(if_match: str, *, required: bool = True) -> int | None:
    """The version that an ``If-Match`` names, to be expected of the store; None for ``*`` or (where it is not required) no header.

    Raises:
        RequestRejected: ``precondition_required``; ``precondition_failed`` for a tag that is no version's.
    """
    if not if_match and required:
        check_match("", "", required=True)
    if not if_match or if_match.strip() == "*":
        return None
    found = _VERSION.fullmatch(if_match.strip())
    if found is None:
        raise stale()
    return int(found[1])


def none_match(if_none_match: str, current: str) -> bool:
    """Whether the client's copy is still good: ``If-None-Match`` names this tag (the weak comparison)."""
    if if_none_match.strip() == "*":
        return True
    return current.removeprefix("W/") in {tag.removeprefix("W/") for tag in _TAG.findall(if_none_match)}


def stale() -> RequestRejected:
    """Somebody changed it since it was read."""
    return RequestRejected("precondition_failed", "It has changed since it was read: read it again, and repeat the change.")
