"""The floor that the API's function is held against: FastAPI behind Mangum, one route, and the same dependencies, doing nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
import httpx2  # noqa: F401 (imported, as the API does)
import jsonschema  # noqa: F401
import jwt  # noqa: F401
import yaml  # noqa: F401
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from fastapi import FastAPI
from mangum import Mangum
from pydantic_settings import BaseSettings


class Told(BaseSettings):
    """What the stack says."""

    nexus_table: str
    nexus_keys_secret: str


told = Told()
logger, metrics = Logger(service="bare"), Metrics(namespace="Nexus", service="bare")
keys = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=told.nexus_keys_secret)["SecretString"])
table = boto3.client("dynamodb")
app = FastAPI(title=os.environ["NEXUS_TABLE"], docs_url=None, redoc_url=None)


@app.get("/health/live")
async def live() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


_served = Mangum(app, lifespan="off")


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One request."""
    answer = _served(event, context)
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return answer
