"""A tool that a tenant declares: a JSON Schema and an HTTPS address. How a wish becomes a request, and an answer becomes words. Pure.

**Source:** RFC 9110 (methods, status codes, fields); RFC 3986 section 3.3 (path segments); the IETF draft of Idempotency-Key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from nexus.domain.outbound import OutboundAnswer, OutboundRequest, target_fault
from nexus.domain.tool_arguments import full_schema

ToolName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,63}$")]
SpokenLine = Annotated[str, Field(max_length=300)]
MOST_ANSWER_BYTES = 64 * 1024
MOST_TOOLS = 64
HIDDEN = "[secret]"
_SECRET = re.compile(r"\{\{\s*secret:([A-Z][A-Z0-9_]{0,63})\s*\}\}")
_PLACE = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]{0,63})\}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,4000}")
_OURS = frozenset(
    (
        *("accept-encoding", "connection", "content-length", "content-type", "expect", "host", "idempotency-key", "keep-alive"),
        *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    )
)
_CREDENTIAL = re.compile(r"auth|token|secret|cookie|api-?key", re.IGNORECASE)
_IN_QUERY = frozenset({"GET", "DELETE"})
_LONGEST_SENTENCE = 500
_NOT_DONE = frozenset({401, 403, 405, 406, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 428, 429, 431})
"""The server did nothing, and not because of what the caller wanted: not words for the caller's ears."""
_TRY_AGAIN = frozenset({408, 425, 429})


class SpokenLines(BaseModel):
    """What the caller hears around the tool; empty: the platform's own phrases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: SpokenLine = Field(default="", description="said at once when the tool begins")
    delay: SpokenLine = Field(default="", description="said while it takes long, in place of phrases.filler")
    failure: SpokenLine = Field(default="", description="said when it failed, in place of phrases.tool_failed")


class HttpTool(BaseModel):
    """A declared tool. Arguments stand in ``{places}`` of the path, else in the query (GET, DELETE) or as the JSON body."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ToolName
    description: str = Field(min_length=1, max_length=1024, description="one sentence for the model: when to use it")
    parameters: dict[str, JsonValue] = Field(default_factory=dict, description="JSON Schema of the arguments")
    effect: Literal["read", "write"] = Field(default="write", description="write: changes the world, and happens once per call")
    url: str = Field(description="https; {argument} in the path is filled in")
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    headers: dict[str, str] = Field(default_factory=dict, description="values may hold {{secret:NAME}}")
    timeout_s: float | None = Field(default=None, gt=0, le=60, description="for each attempt; none: limits.tool_timeout_s")
    retries: int = Field(default=0, ge=0, le=3, description="of a write: only where the server honours Idempotency-Key")
    ends_call: bool = False
    spoken: SpokenLines = SpokenLines()

    @field_validator("parameters")
    @classmethod
    def _parameters_are_a_schema(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        full_schema(value)
        return value

    @field_validator("url")
    @classmethod
    def _url_is_a_target(cls, value: str) -> str:
        origin, path = _split(value)
        filled = origin + _PLACE.sub("x", path)
        if "{" in filled or "}" in filled:
            raise ValueError("write {argument} for an argument, in the path only; secrets belong into headers")
        if fault := target_fault(filled):
            raise ValueError(fault)
        return value

    @field_validator("headers")
    @classmethod
    def _headers_are_the_tenants_own(cls, value: dict[str, str]) -> dict[str, str]:
        if len(value) > 32:
            raise ValueError("at most 32 headers")
        if len({name.lower() for name in value}) < len(value):
            raise ValueError("a header stands there twice")
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
                raise ValueError(f"{name[:100]!r} is no header of printable ASCII")
            if name.lower() in _OURS:
                raise ValueError(f"{name} is set by the platform; leave it out")
            if "{{" in _SECRET.sub("", text):
                raise ValueError(f"{name}: write {{{{secret:NAME}}}}, with a name of capital letters, digits and _")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> HttpTool:
        schema = full_schema(self.parameters)
        unknown = sorted(set(self.places) - set(schema.get("required", ())) - {""})
        if unknown:
            raise ValueError(f"url has places for {', '.join(unknown)}; each must be among the required parameters")
        if self.effect == "write" and self.method == "GET":
            raise ValueError("GET changes nothing: write effect: read, or another method")
        return self

    @property
    def places(self) -> tuple[str, ...]:
        """The arguments that stand in the path."""
        return tuple(_PLACE.findall(_split(self.url)[1]))

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Every secret that a header refers to, once each."""
        return tuple(dict.fromkeys(name for text in self.headers.values() for name in _SECRET.findall(text)))

    @property
    def shown_credentials(self) -> tuple[str, ...]:
        """Headers that carry a credential by their name, and refer to no secret."""
        return tuple(name for name, text in self.headers.items() if _CREDENTIAL.search(name) and not _SECRET.search(text))


def one_of_each(tools: tuple[HttpTool, ...]) -> tuple[HttpTool, ...]:
    """The tools, when each has a name of its own. Raises ValueError."""
    names = [tool.name for tool in tools]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"declared more than once: {', '.join(twice)}")
    if len(tools) > MOST_TOOLS:
        raise ValueError(f"at most {MOST_TOOLS} tools can be declared")
    return tools


def request_of(tool: HttpTool, arguments: Mapping[str, Any], key: str, secrets: Mapping[str, str] | None = None) -> OutboundRequest:
    """The request of one wish.

    Args:
        key: sent as ``Idempotency-Key``; the same for the same effect.
        secrets: values by name; None leaves the references as they stand, which is how a request can be shown.

    Raises:
        ValueError: an argument cannot stand in the path, or the address is too long with it.
    """
    origin, path = _split(tool.url)
    rest = {name: value for name, value in arguments.items() if name not in tool.places}
    url = origin + _PLACE.sub(lambda place: _segment(place[1], arguments.get(place[1])), path)
    headers = {"Accept": "application/json, text/plain;q=0.5", "User-Agent": "nexus-voice-engine"} | tool.headers
    if secrets is not None:
        headers = {name: _SECRET.sub(lambda found: secrets[found[1]], text) for name, text in headers.items()}
    headers["Idempotency-Key"] = key
    body = b""
    if tool.method in _IN_QUERY:
        query = urlencode([(name, _plain(value)) for name, value in rest.items()])
        url += ("&" if "?" in url else "?") + query if query else ""
    else:
        body, headers["Content-Type"] = json.dumps(rest, ensure_ascii=False).encode("utf-8", "replace"), "application/json"
    if fault := target_fault(url):
        raise ValueError(fault)
    return OutboundRequest(tool.method, url, headers, body)


@dataclass(frozen=True, slots=True)
class HttpOutcome:
    """What came of one wish.

    Attributes:
        kind: ``done``; ``refused``: the server said no and why; ``failed``: certainly not done; ``unknown``: it may have been done;
            ``timeout``: like unknown, because no answer came in time; ``invalid``: done, with an answer nobody can say.
        output: for the agent.
        problem: for the log; no secret, no argument.
        attempts: how often it was sent.
    """

    kind: Literal["done", "refused", "failed", "unknown", "timeout", "invalid"]
    output: str = ""
    problem: str = ""
    http_status: int | None = None
    duration_ms: float = 0.0
    try_again: bool = False
    attempts: int = 1


def outcome_of(answer: OutboundAnswer, secrets: Iterable[str] = ()) -> HttpOutcome:
    """Read an answer. A secret that the server gives back is hidden."""
    status, took = answer.status, answer.duration_ms
    if status is None:
        if not answer.arrived:
            refused = answer.error in ("url_not_allowed", "address_not_allowed")
            return HttpOutcome("failed", problem=answer.error, duration_ms=took, try_again=not refused)
        kind: Literal["timeout", "unknown"] = "timeout" if answer.error == "timeout" else "unknown"
        return HttpOutcome(kind, problem=answer.error, duration_ms=took, try_again=True)
    problem = "" if 200 <= status < 300 else f"the server answered {status}"
    if status in _NOT_DONE:
        return HttpOutcome("failed", "", problem, status, took, try_again=status in _TRY_AGAIN)
    if 400 <= status < 500:
        return HttpOutcome("refused", _hidden(_reason(answer), secrets), problem, status, took)
    if problem:  # also a redirect, which is not followed: what it stands for may have happened
        return HttpOutcome("unknown", "", problem, status, took, try_again=status >= 500)
    output = _words(answer)
    if output is None:
        return HttpOutcome("invalid", "", "the answer is no JSON or text of at most 64 KiB", status, took)
    return HttpOutcome("done", _hidden(output, secrets), "", status, took)


def _split(url: str) -> tuple[str, str]:
    """Scheme and host, and everything from the path on."""
    head, slashes, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return head + slashes + host, slash + path


def _segment(name: str, value: Any) -> str:
    text = _plain(value)
    if text in ("", ".", ".."):
        raise ValueError(f"{name} is empty or dots, which cannot stand in a path")
    return quote(text, safe="")


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode()


def _words(answer: OutboundAnswer) -> str | None:
    if answer.cut or answer.headers.get("content-encoding", "identity") not in ("", "identity"):
        return None
    if not answer.body.strip():
        return "Done."
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        text = answer.body.decode()
        if kind == "text/plain":
            return _printable(text)
        if kind != "application/json" and not kind.endswith("+json"):
            return None
        found = json.loads(text)
        return _printable(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, separators=(", ", ": ")))
    except (ValueError, RecursionError):
        return None


def _printable(text: str) -> str:
    shown = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text).strip()
    return shown.encode("utf-8", "replace").decode()


def _reason(answer: OutboundAnswer) -> str:
    """The sentence that a refusal gives: ``detail``, ``message`` or ``error`` of a JSON object, or a short text."""
    words = _words(answer) if answer.body.strip() else None
    if words is None:
        return ""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        found = words
    told = found if isinstance(found, str) else ""
    if isinstance(found, dict):
        told = next((found[name] for name in ("detail", "message", "error") if isinstance(found.get(name), str)), "")
    return _printable(told) if len(told) <= _LONGEST_SENTENCE else ""


def _hidden(text: str, secrets: Iterable[str]) -> str:
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN).replace(json.dumps(secret)[1:-1], HIDDEN)
    return text
