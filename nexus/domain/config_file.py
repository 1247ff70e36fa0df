"""The text of a ``config.yaml`` as a configuration, or every fault in it at once. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from nexus.domain.config_check import MAX_CONFIG_BYTES, Path, check_config, dotted
from nexus.domain.tenant import TenantConfig
from nexus.errors import ConfigurationError

_MAX_NODES = 20_000
_MAX_DEPTH = 50
_FATAL = (f"more than {_MAX_NODES} values", "a key must be plain text")


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
            faults.append((key.start_mark.line + 1, f"{dotted(path)}: stands here a second time; keep one"))
        lines[path] = key.start_mark.line + 1
        found.append((value, path))
    return found


# --- schema ------------------------------------------------------------------------------------------------------------------


def _validate(data: Any, lines: Mapping[Path, int], faults: list[tuple[int, str]]) -> TenantConfig | None:
    if not isinstance(data, dict):
        faults.append((1, "the file must be a mapping of fields; copy tenants/_template/config.yaml"))
        return None
    # a section whose lines are all commented out is null: its defaults hold
    config, found = check_config({str(key): _jsonable(value) for key, value in data.items()})
    faults += [(_line(lines, one.path), one.sentence) for one in found]
    return config


def _jsonable(value: Any) -> Any:
    """YAML knows dates and keys that JSON does not: they become text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_jsonable(part) for part in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _line(lines: Mapping[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
