"""``nexus query``: ask, and print what came back."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from rich.console import Console
from rich.table import Table

from local.query.answer import Answer
from local.query.arguments import asked
from local.query.lake import LocalLake
from local.query.saved import saved_questions
from local.query.wiring import Workgroup, ask_athena


def query(words: argparse.Namespace, data_dir: Path, console: Console, notes: Console) -> int:
    """Run the command; the answer goes to ``console``, what it cost to ``notes``."""
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # what it cannot read is told as our own error
    if not words.question:
        console.print(_all_saved())
        return 0
    wanted = asked(words)
    if words.show_sql:
        console.print(wanted.text, markup=False, highlight=False, soft_wrap=True)
        return 0
    if words.athena:
        answer = asyncio.run(ask_athena(wanted.text, _workgroup(words)))
    else:
        answer = LocalLake(data_dir / "analytics" / "sessions").ask(wanted)
    _show(answer, words, console)
    notes.print(f"{len(answer.rows)} rows · {answer.cost}", style="dim", highlight=False)
    return 0


def _workgroup(words: argparse.Namespace) -> Workgroup:
    stage = f"nexus-{words.stage}"
    name = words.workgroup or (f"{stage}-tenant-{words.tenant}" if words.tenant else f"{stage}-operator")
    return Workgroup(name, words.database or stage.replace("-", "_"), words.region)


def _show(answer: Answer, words: argparse.Namespace, console: Console) -> None:
    if words.csv or words.json:
        console.file.write(answer.as_csv() if words.csv else answer.as_json() + "\n")
    else:
        console.print(answer.as_table())


def _all_saved() -> Table:
    table = Table("name", "asks", "values", box=None, header_style="bold")
    for one in saved_questions():
        table.add_row(one.name, one.asks, " ".join(one.waits_for))
    return table
