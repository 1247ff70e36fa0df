"""The documents against the product: commands that parse, settings that exist, links that lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.handlers.environment import HandlerEnvironment
from local.cli import main
from nexus.settings.values import Settings

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "control_plane" / "console").glob("*.md")])
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?nexus (?=[a-z-])")
SETTING = re.compile(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`")
ASSIGNED = re.compile(r"\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)=(?!\$\()")  # what a command fills is a variable of the example
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
TEST = re.compile(r"`(?:[\w./]*/)?(test_\w+)(?:\.py)?`")
OF_OTHERS = {
    "AWS_ENDPOINT_URL",
    "AWS_PROFILE",
    "AWS_REGION",
    "ARGS",
    "CDK_VALIDATION",
    "PYTHON",
    "BASE",
    "KEY",
    "KEY_ID",
    "TAG",
    "HF_HOME",
    "HF_HUB_OFFLINE",
    "HF_TOKEN",
    "NO_TORCH_COMPILE",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "ECS_IMAGE_PULL_BEHAVIOR",
    "COSIGN_KEY",
    "DEPLOYMENT_BLOCKED",
}
"""Words of make, of shell examples, of CDK, of ECS and of the genuine PersonaPlex server."""


def commands(text: str) -> Iterator[list[str]]:
    """Every ``nexus …`` of the code blocks and of code in the text, without comments."""
    for block, inline in CODE.findall(text):
        for line in re.split(r"\n|&&", (block or inline).replace("\\\n", " ")):
            if COMMAND.match(line.strip()):
                yield shlex.split(COMMAND.sub("", line.strip()), comments=True)


def anchors(text: str) -> set[str]:
    """The ids that headings get."""
    heads = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.strip().lower()).replace(" ", "-") for head in heads}


def of_files() -> set[str]:
    """Variables that the Makefile, the Dockerfiles and compose.yaml take from whoever runs them."""
    taken = {"Makefile": r"(?m)^([A-Z]+) \?=", "Dockerfile.media": r"(?m)^ARG (\w+)", "compose.yaml": r"\$\{(\w+)"}
    return {name for file, how in taken.items() for name in re.findall(how, (ROOT / file).read_text(encoding="utf-8"))}


def understood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> bool:
    """Whether the parser knows the command and each option: help is asked for behind it, so that nothing is done."""
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--help"])
    told = capsys.readouterr().out
    return left.value.code == 0 and all(word in told for word in arguments if word.startswith("--"))


def test_there_are_commands_in_the_documents() -> None:
    found = {words[0] for path in DOCUMENTS for words in commands(path.read_text(encoding="utf-8"))}
    assert {"call", "doctor", "sessions", "tenant"} <= found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_is_one_of_the_parser(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unknown = [words for words in commands(path.read_text(encoding="utf-8")) if not understood(words, capsys)]
    assert unknown == []


@pytest.mark.parametrize("arguments", [["dance"], ["tenant", "burn"], ["doctor", "--loud"]])
def test_a_command_that_is_none_would_be_seen(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert not understood(arguments, capsys)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_setting_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = set(SETTING.findall(text)) | {name for block, inline in CODE.findall(text) for name in ASSIGNED.findall(block or inline)}
    known = {name.upper() for one in (Settings, HandlerEnvironment) for name in one.model_fields} | of_files()
    assert named - known - OF_OTHERS == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    dead = []
    for target in filter(None, (plain or image for plain, image in LINK.findall(path.read_text(encoding="utf-8")))):
        if re.match(r"https?:|mailto:", target):
            continue
        where, _, anchor = target.partition("#")
        file = (path.parent / where).resolve() if where else path
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8"))):
            dead.append(target)
    assert dead == []


def test_every_test_named_exists() -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    known = {file.stem for file in files} | {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))}
    named = {name: path for path in DOCUMENTS for name in TEST.findall(path.read_text(encoding="utf-8"))}
    assert {f"{path.name}: {name}" for name, path in named.items() if name not in known} == set()
    assert len(named) > 20
