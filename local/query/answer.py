"""What came back for a question, and how it is shown."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as they came. ``cost`` says in words what was read for them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    cost: str = ""

    def as_json(self) -> str:
        """A list of objects; numbers are numbers, times are ISO 8601."""
        return json.dumps([dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows], indent=2, ensure_ascii=False)

    def as_csv(self) -> str:
        """RFC 4180 with a line of names; nothing known is an empty field."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(self.columns)
        writer.writerows([_plain(value) for value in row] for row in self.rows)
        return out.getvalue()

    def as_table(self) -> Table:
        """For a terminal."""
        table = Table(box=None, header_style="bold")
        numbers = [all(isinstance(row[i], int | float | Decimal | None) for row in self.rows) for i in range(len(self.columns))]
        for name, is_number in zip(self.columns, numbers, strict=True):
            table.add_column(name, justify="right" if is_number else "left")
        for row in self.rows:
            table.add_row(*("–" if value is None else str(_plain(value)) for value in row))
        return table


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else value
