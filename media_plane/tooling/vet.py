"""Read a tenant's ``tools.py`` before it ever runs, and name every mistake in it.

Vetting is a fence, not the wall: it finds honest mistakes early and says how to mend them, but a determined author can spell a
forbidden name in a way that no reader of source finds. The wall is the child process (``worker``): no credentials in it, no files
but the interpreter's own, killable.
"""

from __future__ import annotations

import ast

STANDARD_LIBRARY = frozenset(
    [
        "abc",
        "asyncio",
        "base64",
        "bisect",
        "calendar",
        "collections",
        "contextlib",
        "copy",
        "csv",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "html",
        "itertools",
        "json",
        "logging",
        "math",
        "operator",
        "random",
        "re",
        "secrets",
        "statistics",
        "string",
        "textwrap",
        "time",
        "types",
        "typing",
        "unicodedata",
        "uuid",
        "zoneinfo",
    ]
)
"""Modules of the standard library that a tool may import, with all below them where they are packages."""

DOTTED = frozenset({"collections.abc", "urllib.parse", "nexus.tools", "json.decoder", "__future__"})
"""Modules that a tool may import by exactly this name."""

PACKAGES = frozenset({"httpx"})
"""Packages of others that a tool may import; they work where they are installed."""

MAX_SOURCE_BYTES = 256 * 1024

_ADVICE = {
    "src.interfaces.base_tool": "write: from nexus.tools import BaseTool",
    "requests": "use httpx",
    "aiohttp": "use httpx",
    "urllib.request": "use httpx",
    "os": "a tool has no files and no environment; put settings under tool_settings and read context.settings",
    "sqlite3": "keep data in context.store",
    "pickle": "keep JSON values in context.store",
    "subprocess": "a tool may not start programs",
    "socket": "use httpx",
    "threading": "write the tool with async and await",
}
_BUILTINS = {
    "__import__": "write an import statement at the top",
    "eval": "use json.loads, or int() and float()",
    "exec": "write the code itself",
    "compile": "write the code itself",
    "open": "a tool has no files; keep data in context.store",
    "input": "a tool has no keyboard; take an argument",
    "breakpoint": "use logging; nobody can reach a debugger here",
    "globals": "name the value itself",
    "vars": "name the value itself",
}
_DUNDERS = frozenset({"__init__", "__name__", "__post_init__", "__doc__", "__class__", "__version__", "__str__", "__repr__", "__eq__"})
_ROOTS_OF_OURS = frozenset({"nexus", "media_plane", "control_plane", "local", "tenants", "src"})


def vet(source: str) -> tuple[str, ...]:
    """Every fault in the text, in order of lines, each ``line N: what; fix``. Empty when the text may be tried."""
    if len(source.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
        return (f"line 1: tools.py is larger than {MAX_SOURCE_BYTES // 1024} KiB; move data to tool_settings or context.store",)
    try:
        tree = ast.parse(source, "tools.py")
    except SyntaxError as error:
        return (f"line {error.lineno or 1}: not Python: {error.msg}; mend the syntax",)
    except (ValueError, RecursionError, MemoryError) as error:
        return (f"line 1: not readable as Python ({error}); save it as plain UTF-8 text",)
    faults = [(line, text) for node in ast.walk(tree) for line, text in _faults_of(node)]
    return tuple(f"line {line}: {text}" for line, text in sorted(set(faults)))


def _faults_of(node: ast.AST) -> list[tuple[int, str]]:
    match node:
        case ast.Import(names=names, lineno=line):
            return [(line, fault) for alias in names if (fault := _module_fault(alias.name))]
        case ast.ImportFrom(module=module, level=level, names=names, lineno=line):
            return [(line, fault) for fault in _from_faults(module or "", level, [alias.name for alias in names])]
        case ast.Name(id=name, lineno=line) if name in _BUILTINS:
            return [(line, f"{name}() is not allowed in tools; {_BUILTINS[name]}")]
        case ast.Name(id="__builtins__" | "__loader__" | "__spec__" as name, lineno=line):
            return [(line, f"{name} is not allowed in tools; name the value itself")]
        case ast.Attribute(attr=name, lineno=line) if _is_dunder(name) and name not in _DUNDERS:
            return [(line, f"attribute {name} is not allowed in tools; use the public interface of the value")]
        case _:
            return []


def _from_faults(module: str, level: int, names: list[str]) -> list[str]:
    if level:
        return ["a relative import is not allowed; tools.py stands alone: move the code into it"]
    fault = _module_fault(module)
    if fault and module in {name.rpartition(".")[0] for name in DOTTED}:
        faults = [_module_fault(f"{module}.{name}") for name in names]
        return [found for found in faults if found]
    if fault:
        return [fault]
    return [f"import of {module}.{name} is not allowed; import a public name" for name in names if name.startswith("_")]


def _module_fault(module: str) -> str:
    root = module.partition(".")[0]
    if module in DOTTED or root in STANDARD_LIBRARY or root in PACKAGES:
        return ""
    advice = _ADVICE.get(module) or _ADVICE.get(root)
    if advice is None:
        advice = "tools import nothing of ours but nexus.tools" if root in _ROOTS_OF_OURS else "docs/tools.md lists what a tool may import"
    return f"import of {module} is not allowed; {advice}"


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
