"""The text of a ``config.yaml`` as a configuration, or every fault in it at once; and a configuration as prompt text. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel, JsonValue, ValidationError

from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError

MAX_CONFIG_BYTES = 256 * 1024
_MAX_NODES = 20_000
_MAX_DEPTH = 50
_FATAL = (f"more than {_MAX_NODES} values", "a key must be plain text")
KNOWLEDGE_HEADER = "## Business Information"
Path = tuple[str | int, ...]


def parse_config(text: str, *, folder: str) -> TenantConfig:
    """Read a configuration.

    Args:
        folder: the tenant's folder name, which ``tenant_id`` must equal.

    Raises:
        ConfigurationError: ``invalid_config``; each of ``faults`` begins with ``line N:`` and says how to mend it.
    """
    faults: list[tuple[int, str]] = []
    lines: dict[Path, int] = {}
    data = _load(text, lines, faults)
    if data is not None or not faults:
        config = _validate(data, lines, faults)
        named = data.get("tenant_id", folder) if isinstance(data, dict) else folder
        if named != folder:
            faults.append((_line(lines, ("tenant_id",)), f"tenant_id: is {named!r}, but the folder is {folder!r}; make them equal"))
        if config is not None and not faults:
            return config
    sayings = tuple(f"line {line}: {words}" for line, words in sorted(faults))
    raise ConfigurationError(
        "invalid_config", f"tenants/{folder}/config.yaml has {len(sayings)} fault(s): {'; '.join(sayings)}", faults=sayings
    )


def knowledge_text(knowledge: JsonValue) -> str:
    """Any nesting as indented lines a model can read; every leaf is there."""
    return "\n".join(_lines(knowledge, 0))


def prompt_text(config: TenantConfig) -> str:
    """The system prompt, followed by the knowledge under its header; without knowledge exactly the system prompt."""
    if config.knowledge_base in (None, "", [], {}):
        return config.system_prompt
    text = knowledge_text(config.knowledge_base)
    limit = config.limits.knowledge_chars
    if len(text) > limit:
        kept = text[:limit].rsplit("\n", 1)[0] if "\n" in text[:limit] else text[:limit]
        text = f"{kept}\n(There is more; say that you will find out.)"
    return f"{config.system_prompt.rstrip()}\n\n{KNOWLEDGE_HEADER}\n{text}"


# --- YAML --------------------------------------------------------------------------------------------------------------------


class _PlainLoader(yaml.SafeLoader):
    """YAML 1.2's plain numbers and truth values only.

    YAML 1.1 would read the opening hour 10:30 as 630, the phone number 0501234567 as octal, and "no" as false.

    **Source:** yaml.org/spec/1.2.2, section 10.2 (JSON schema), with the spellings of null and true of section 10.3.
    """


_PlainLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+", list("-0123456789")),
):
    _PlainLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), _first)


def _load(text: str, lines: dict[Path, int], faults: list[tuple[int, str]]) -> Any:
    if len(text.encode()) > MAX_CONFIG_BYTES:
        faults.append((1, f"the file is larger than {MAX_CONFIG_BYTES // 1024} KB; move long knowledge elsewhere"))
        return None
    try:
        loader = _PlainLoader(text)
        root = loader.get_single_node()
        if root is None:
            faults.append((1, "the file is empty; copy tenants/_template/config.yaml"))
            return None
        _survey(root, (), lines, faults)
        return None if any(words.startswith(_FATAL) for _, words in faults) else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        faults.append((line, f"this is not YAML: {error.problem}; check indentation, colons, quotes and tabs"))
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:  # PyYAML on a tag without value
        faults.append((1, f"this is not YAML: {error}"))
    return None


def _survey(root: yaml.Node, path: Path, lines: dict[Path, int], faults: list[tuple[int, str]]) -> None:
    """Note the line of every path; find what YAML itself lets pass: duplicate keys, aliases that multiply."""
    waiting: list[tuple[yaml.Node, Path]] = [(root, path)]
    seen = 0
    while waiting:
        node, here = waiting.pop()
        lines.setdefault(here, node.start_mark.line + 1)
        seen += 1
        if seen > _MAX_NODES or len(here) > _MAX_DEPTH:
            faults.append((1, f"more than {_MAX_NODES} values or {_MAX_DEPTH} levels, aliases counted; write it plainly"))
            return
        if isinstance(node, yaml.SequenceNode):
            waiting += [(item, (*here, index)) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            waiting += _survey_mapping(node, here, lines, faults)


def _survey_mapping(
    node: yaml.MappingNode, here: Path, lines: dict[Path, int], faults: list[tuple[int, str]]
) -> list[tuple[yaml.Node, Path]]:
    found: list[tuple[yaml.Node, Path]] = []
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            faults.append((key.start_mark.line + 1, "a key must be plain text"))
            continue
        path = (*here, str(key.value))
        if path in lines:
            faults.append((key.start_mark.line + 1, f"{_dotted(path)}: stands here a second time; keep one"))
        lines[path] = key.start_mark.line + 1
        found.append((value, path))
    return found


# --- schema ------------------------------------------------------------------------------------------------------------------


def _validate(data: Any, lines: Mapping[Path, int], faults: list[tuple[int, str]]) -> TenantConfig | None:
    if not isinstance(data, dict):
        faults.append((1, "the file must be a mapping of fields; copy tenants/_template/config.yaml"))
        return None
    try:
        # a section whose lines are all commented out is null: its defaults hold
        return TenantConfig.model_validate({str(key): _jsonable(value) for key, value in data.items() if value is not None})
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            path = tuple(one["loc"])
            faults.append((_line(lines, path), f"{_dotted(path)}: {_mend(one, path)}"))
        return None


def _jsonable(value: Any) -> Any:
    """YAML knows dates and keys that JSON does not: they become text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_jsonable(part) for part in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


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


def _line(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path) or "config"


# --- knowledge ---------------------------------------------------------------------------------------------------------------


def _lines(value: JsonValue, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _named(_title(name), part, depth)
    elif isinstance(value, list):
        for part in value:
            yield from _item(part, depth)
    else:
        yield indent + _leaf(value)


def _named(title: str, value: JsonValue, depth: int) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield f"{'  ' * depth}{title}:"
        yield from _lines(value, depth + 1)
    else:
        yield f"{'  ' * depth}{title}: {_leaf(value)}"


def _item(value: JsonValue, depth: int) -> Iterator[str]:
    flat = isinstance(value, dict) and not any(isinstance(part, dict | list) for part in value.values())
    if flat and isinstance(value, dict):
        yield f"{'  ' * depth}- " + ", ".join(f"{_title(name)}: {_leaf(part)}" for name, part in value.items())
    elif isinstance(value, dict | list):
        nested = list(_lines(value, depth + 1))
        yield f"{'  ' * depth}- " + (nested[0].strip() if nested else "")
        yield from nested[1:]
    else:
        yield f"{'  ' * depth}- {_leaf(value)}"


def _leaf(value: JsonValue) -> str:
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(value).split()) if isinstance(value, str) else str(value)


def _title(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]
