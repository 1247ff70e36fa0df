"""Who may speak to the API: host names, origins, request ids. Pure.

A page of a stranger can make a browser send requests to a loopback address, under a host name that the stranger's DNS points there.
So only known host names are answered, and a request that changes something must not come from another site's page.

**Source:** Fetch standard (Origin, Sec-Fetch-Site), RFC 9110 section 7.2 (Host).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from nexus.errors import NotAuthorised, RequestRejected

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{8,64}")
_OWN_SITES = frozenset({"", "same-origin", "none"})


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    """Whom the API answers.

    Attributes:
        hosts: host names without port; ``*`` answers to any.
        origins: further origins (``scheme://host[:port]``) whose pages may change things; the API's own always may.
        max_body_bytes: the longest request body.
    """

    hosts: tuple[str, ...] = LOOPBACK_HOSTS
    origins: tuple[str, ...] = ()
    max_body_bytes: int = 1_000_000


def check_host(policy: DoorPolicy, host: str) -> None:
    """Raises NotAuthorised ``host_not_allowed`` for a Host header that is not ours."""
    if "*" in policy.hosts or _name_of(host) in policy.hosts:
        return
    raise NotAuthorised("host_not_allowed", "This server does not answer to that host name; add it to the allowed hosts in the settings.")


def check_origin(policy: DoorPolicy, method: str, host: str, origin: str, fetch_site: str) -> None:
    """Raises NotAuthorised ``origin_not_allowed`` where another site's page asks for a change.

    Args:
        host, origin, fetch_site: the headers Host, Origin and Sec-Fetch-Site; empty when absent.
    """
    if method in _SAFE_METHODS or origin in policy.origins:
        return
    same = _authority_of(origin) == host.lower() if origin else fetch_site in _OWN_SITES
    if not same:
        raise NotAuthorised(
            "origin_not_allowed", "A page of this origin may not change anything here; add it to the allowed origins in the settings."
        )


def check_content_type(content_type: str) -> None:
    """Raises RequestRejected ``content_type_unsupported`` for a body that does not say it is JSON."""
    kind = content_type.split(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestRejected("content_type_unsupported", "Send the body as JSON, with the header Content-Type: application/json.")


def sane_request_id(given: str) -> str:
    """The incoming request id when it is fit for logs, else empty."""
    return given if _REQUEST_ID.fullmatch(given) else ""


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _authority_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
