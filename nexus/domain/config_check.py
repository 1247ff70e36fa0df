"""A configuration out of plain data, or everything that is wrong with it at once; and what is allowed but looks like a slip. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from nexus.domain.knowledge import knowledge_text
from nexus.domain.tenant import BargeIn, Recording, TenantConfig
from nexus.errors import ConfigurationError

Path = tuple[str | int, ...]
MAX_CONFIG_BYTES = 256 * 1024
_LONG_PROMPT = 20_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a configuration: where, a stable word, and how to mend it."""

    path: Path
    code: str
    detail: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901)."""
        return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in self.path)

    @property
    def sentence(self) -> str:
        """Place and words in one line."""
        return f"{dotted(self.path)}: {self.detail}"


class FaultyConfig(ConfigurationError):
    """``invalid_config`` with the place of every fault."""

    def __init__(self, public_message: str, found: tuple[Finding, ...]) -> None:
        super().__init__("invalid_config", public_message, faults=tuple(one.sentence for one in found))
        self.found = found


def check_config(data: Mapping[str, Any]) -> tuple[TenantConfig | None, tuple[Finding, ...]]:
    """The configuration, or None and every fault. A field that is null counts as left out."""
    try:
        return TenantConfig.model_validate({key: value for key, value in data.items() if value is not None}), ()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        return None, tuple(Finding(tuple(one["loc"]), str(one["type"]), _mend(one, tuple(one["loc"]))) for one in found)


def warnings_of(config: TenantConfig) -> tuple[Finding, ...]:
    """What is allowed, and probably not meant."""
    return tuple(_warnings(config))


def missing_secrets(config: TenantConfig, known: Iterable[str]) -> tuple[Finding, ...]:
    """The secrets that declared tools refer to and that are not there yet."""
    there = set(known)
    return tuple(
        Finding(("http_tools", at, "headers"), "secret_missing", f"refers to the secret {name}, which is not set; PUT secrets/{name}")
        for at, tool in enumerate(config.http_tools)
        for name in tool.secret_names
        if name not in there
    )


def unknown_tools(config: TenantConfig) -> tuple[Finding, ...]:
    """The tools in use that a tenant without a ``tools.py`` has nowhere: the agent can do nothing by them."""
    declared = {tool.name for tool in config.http_tools}
    return tuple(
        Finding(("enabled_tools", at), "tool_unknown", f"names {name}, which http_tools does not declare; the agent will not have it")
        for at, name in enumerate(config.enabled_tools)
        if name not in declared
    )


def dotted(path: Path) -> str:
    """A place as people write it."""
    return ".".join(str(part) for part in path) or "config"


def _warnings(config: TenantConfig) -> Iterator[Finding]:
    limit = config.limits.knowledge_chars
    length = len(knowledge_text(config.knowledge_base)) if config.knowledge_base else 0
    if length > limit:
        yield Finding(("knowledge_base",), "knowledge_cut", f"has {length} characters as text, and the prompt takes {limit} of them")
    if len(config.system_prompt) > _LONG_PROMPT:
        yield Finding(("system_prompt",), "prompt_long", f"has {len(config.system_prompt)} characters; a long prompt makes answers slow")
    if config.first_speaker == "agent" and not config.greeting.strip():
        yield Finding(("greeting",), "greeting_empty", "is empty although the agent speaks first; write one, or set first_speaker: caller")
    if config.first_speaker == "caller" and config.greeting.strip() and config.greeting != TenantConfig.model_fields["greeting"].default:
        yield Finding(("greeting",), "never_said", "is never said, as the caller speaks first; set first_speaker: agent, or take it out")
    yield from _recording_warnings(config.recording)
    if config.limits.no_input_s > config.limits.max_duration_s:
        yield Finding(("limits", "no_input_s"), "never_reached", "is longer than max_duration_s, so it never happens")
    barge_in = config.barge_in
    if not barge_in.enabled and barge_in != BargeIn(enabled=False):
        yield Finding(("barge_in",), "never_read", "says how callers interrupt, but enabled: false lets none of them")
    yield from _tool_warnings(config)
    if config.engines[:1] == ("text",):
        yield Finding(("engines",), "no_voice", "begins with text: with that engine the agent cannot be heard")


def _recording_warnings(recording: Recording) -> Iterator[Finding]:
    """Recording without a word is allowed: where one party's consent is enough, or where the greeting tells."""
    at = ("recording", "consent_line")
    if recording.enabled and not recording.consent_line.strip():
        yield Finding(at, "consent_missing", "is empty although recording is enabled: callers are recorded and told nothing; write it")
    if recording.consent_line.strip() and not recording.enabled:
        yield Finding(at, "never_said", "is never said, and nothing is recorded; set recording.enabled: true, or take it out")


def _tool_warnings(config: TenantConfig) -> Iterator[Finding]:
    for at, tool in enumerate(config.http_tools):
        if tool.name not in config.enabled_tools:
            yield Finding(("http_tools", at), "never_used", f"declares {tool.name}, but enabled_tools does not name it")
        if tool.shown_credentials:
            told = ", ".join(tool.shown_credentials)
            yield Finding(
                ("http_tools", at, "headers"), "credential_shown", f"{told}: whoever reads the configuration sees it; use a secret"
            )
    if config.tool_settings and not config.enabled_tools:
        yield Finding(("tool_settings",), "never_read", "is set, but enabled_tools names no tool that could read it")


def _mend(error: Any, path: Path) -> str:
    kind = error["type"]
    if kind == "missing":
        return "is missing; add it"
    if kind == "extra_forbidden":
        known = _known_fields(path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        return f"is not a field here; did you mean {near[0]!r}?" if near else f"is not a field here; the fields are {', '.join(known)}"
    return str(error["msg"]).removeprefix("Value error, ")


def _known_fields(path: Path) -> list[str]:
    model: type[BaseModel] = TenantConfig
    for part in path:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)
