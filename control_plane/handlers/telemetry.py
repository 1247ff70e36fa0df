"""Logs and metrics of a function: Powertools' structure, with our context in each line and our scrubbing of all of it."""

from __future__ import annotations

import logging
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from nexus import context
from nexus.domain.trace import trace_id_of
from nexus.logs import scrub, set_up_logging

NAMESPACE = "Nexus"
_SAID_TWICE = ("mangum", "httpx2", "botocore")
"""What these tell of each request, we tell ourselves."""


class ScrubbedFormatter(LambdaPowertoolsFormatter):
    """One JSON object a line: Powertools' keys, whose work it is, and no secret or phone number in any of it."""

    def serialize(self, log: Any) -> str:
        """The line."""
        work = context.current()
        trace_id = trace_id_of(work.call_id) if work.call_id else ""
        told = {"tenant": work.tenant_id, "call": work.call_id, "trace_id": trace_id, "request_id": work.request_id}
        return scrub(super().serialize({**log, **{name: value for name, value in told.items() if value}}))


def telemetry(service: str, level: str = "INFO") -> tuple[Logger, Metrics]:
    """The logger and the metrics of one function. Everything that any module logs goes out through the same handler."""
    set_up_logging(level, "JSON")  # levels of noisy libraries
    logger = Logger(service=service, level=level, logger_formatter=ScrubbedFormatter(location="%(name)s:%(lineno)d"))
    logging.getLogger(service).propagate = False  # it has the handler already
    for name in _SAID_TWICE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger().handlers[:] = [logger.registered_handler]
    return logger, Metrics(namespace=NAMESPACE, service=service)
