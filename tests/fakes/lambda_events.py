"""What AWS hands to functions, whole as AWS writes it: requests of an HTTP API, batches of SQS, events of S3."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

ACCOUNT, API_ID, DOMAIN = "123456789012", "a1b2c3d4e5", "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"


@dataclass(frozen=True)
class Context:
    """The context object of the Python runtime."""

    function_name: str = "nexus-api"
    function_version: str = "$LATEST"
    memory_limit_in_mb: int = 1024
    aws_request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    log_group_name: str = "/aws/lambda/nexus-api"
    log_stream_name: str = "2026/11/21/[$LATEST]5a1d"
    remaining_ms: int = 29_000

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms


def http_request(method: str, path: str, body: Any = None, *, query: str = "", **headers: str) -> dict[str, Any]:
    """Payload version 2.0. ``headers``: with _ for -."""
    told = {
        "accept": "*/*",
        "content-length": "0" if body is None else str(len(json.dumps(body))),
        "host": DOMAIN,
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-674f0000-0000000000000000",
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        **({} if body is None else {"content-type": "application/json"}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": told,
        "requestContext": _request_context(method, path),
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict(part.split("=", 1) for part in query.split("&"))
    if body is not None:
        event["body"] = json.dumps(body)
    return event


def authorizer_request(path: str, **headers: str) -> dict[str, Any]:
    """A request authorizer's event, payload version 2.0."""
    event = http_request("GET", path, **headers)
    del event["isBase64Encoded"]
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{API_ID}/$default/GET{path}"
    return {**event, "type": "REQUEST", "routeArn": arn, "identitySource": [headers.get("authorization", "")]}


def object_created(bucket: str, key: str) -> dict[str, Any]:
    """EventBridge's event of S3."""
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": "2026-11-21T12:01:03Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": 1843, "etag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00617F08299329D189"},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": ACCOUNT,
            "source-ip-address": "10.0.0.4",
            "reason": "PutObject",
        },
    }


def s3_notification(bucket: str, key: str) -> dict[str, Any]:
    """S3's own notification, in which keys are URL-encoded."""
    return {
        "Records": [
            {
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "us-east-1",
                "eventTime": "2026-11-21T12:01:03.000Z",
                "eventName": "ObjectCreated:Put",
                "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
                "requestParameters": {"sourceIPAddress": "10.0.0.4"},
                "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "calls",
                    "bucket": {"name": bucket, "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": f"arn:aws:s3:::{bucket}"},
                    "object": {"key": key, "size": 1843, "eTag": "b1946ac92492d2347c6235b4d2611184", "sequencer": "00617F08299329D189"},
                },
            }
        ]
    }


def sqs_batch(*bodies: str, received: int = 1) -> dict[str, Any]:
    """A batch of the queue; the messages are called ``m0``, ``m1``, ..."""
    return {"Records": [_message(f"m{number}", body, received) for number, body in enumerate(bodies)]}


def scheduled(rule: str) -> dict[str, Any]:
    """EventBridge's tick."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-11-21T12:00:00Z",
        "region": "us-east-1",
        "resources": [f"arn:aws:events:us-east-1:{ACCOUNT}:rule/{rule}"],
        "detail": {},
    }


def _request_context(method: str, path: str) -> dict[str, Any]:
    return {
        "accountId": ACCOUNT,
        "apiId": API_ID,
        "domainName": DOMAIN,
        "domainPrefix": API_ID,
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.9", "userAgent": "curl/8.5.0"},
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "$default",
        "stage": "$default",
        "time": "21/Nov/2026:12:00:00 +0000",
        "timeEpoch": 1795262400000,
    }


def _message(message_id: str, body: str, received: int) -> dict[str, Any]:
    return {
        "messageId": message_id,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": "1795262463000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1795262463012",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:{ACCOUNT}:calls",
        "awsRegion": "us-east-1",
    }
