"""A tenant's knowledge as text that a model can read, and the prompt that it stands in. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from nexus.domain.tenant import TenantConfig

KNOWLEDGE_HEADER = "## Business Information"


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
