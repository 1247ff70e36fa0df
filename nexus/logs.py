"""COLOR and JSON logs: every line tagged with tenant, call and request, free of secrets and phone numbers."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

from nexus import context
from nexus.clock import instant
from nexus.domain.trace import trace_id_of

_COLORS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_SECRETS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"eyJ[\w-]{5,2000}+\.[\w-]+\.[\w-]*"), "[ticket]"),
    (re.compile(r"\btoken\.[\w.-]+"), "token.[ticket]"),
    (re.compile(r"\bAIza[\w-]{20,}"), "[key]"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), "[key]"),
    (re.compile(r"\bnx_(?:live|test|pub)_[\w-]+"), "[key]"),
    (
        re.compile(r"(?i)(authorization|api[_-]?key|secret|password|ticket)(['\"]?\s*[:=]\s*['\"]?)(?:Bearer\s+)?[^\s'\",}]+"),
        r"\1\2[hidden]",
    ),
    (re.compile(r"-----BEGIN [A-Z ]+-----.{0,10000}?-----END [A-Z ]+-----", re.DOTALL), "[key]"),
)
_PHONE = re.compile(
    r"(?:(?<=%2B)|(?<![\w./-])(?<!\d:))(?!\d{4}-\d{2}-\d{2}(?!\d))(?!\d{1,3}(?:\.\d{1,3}){3}\b)(?!\d{1,6}\.\d+(?![\d.]))"
    r"\+?\(?\d(?:[ .()-]{0,3}\d){6,14}(?![\w-])(?!\.\d)",
    re.IGNORECASE,
)
"""Seven to fifteen digits that are no date, time, address of a machine or decimal number. A bare count that long is masked too."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def scrub(text: str) -> str:
    """``text`` without secrets; phone numbers keep their last two digits.

    Strangers write paths of 64 KB, and lines are written on the event loop of living calls: no pattern looks at a text twice.
    """
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return _PHONE.sub(lambda match: "…" + re.sub(r"\D", "", match[0])[-2:], text)


class ColorFormatter(logging.Formatter):
    """``[time] [LEVEL] [T: tenant] [C: call] [R: request] logger: message``."""

    def __init__(self, *, colored: bool) -> None:
        super().__init__()
        self._colored = colored

    def format(self, record: logging.LogRecord) -> str:
        work = context.current()
        tags = "".join(
            f" {self._paint(f'[{letter}: {value}]', code)}"
            for letter, value, code in (("T", work.tenant_id, "36"), ("C", work.call_id, "35"), ("R", work.request_id, "2"))
            if value
        )
        level = self._paint(f"[{record.levelname:<8}]", _COLORS.get(record.levelname, "0"))
        line = f"[{datetime.now():%H:%M:%S}] {level}{tags} {record.name}: {_one_line(record.getMessage())}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return scrub(line)

    def _paint(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colored else text


def _one_line(message: str) -> str:
    """What a caller said cannot forge a line or colour the terminal: control characters are shown, not sent."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), message)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; time is RFC 3339 in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        work = context.current()
        entry = {
            "time": instant(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "tenant": work.tenant_id or None,
            "call": work.call_id or None,
            "trace_id": trace_id_of(work.call_id) if work.call_id else None,
            "request_id": work.request_id or None,
            "logger": record.name,
            "msg": scrub(record.getMessage()),
            "exception": scrub(self.formatException(record.exc_info)) if record.exc_info else None,
        }
        return json.dumps({name: value for name, value in entry.items() if value is not None}, ensure_ascii=False)


def set_up_logging(level: str, form: Literal["COLOR", "JSON"], stream: TextIO | None = None) -> None:
    """Send everything to ``stream`` (standard error) in one form, replacing earlier handlers."""
    target = stream or sys.stderr
    handler = logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if form == "JSON" else ColorFormatter(colored=target.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("websockets", "httpx", "httpcore", "google_genai", "faster_whisper", "asyncio", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
