"""The agent of ECS as a task sees it: scale-in protection and the container's metadata, over real HTTP on loopback.

It takes only what the real one takes: a PUT of ``ProtectionEnabled`` and, with it, ``ExpiresInMinutes`` from 1 to 2880.

**Source:** Amazon ECS developer guide, "Task scale-in protection endpoint" and "Task metadata endpoint version 4".
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

TASK_ID = "0f5c1d2e3b4a59687766554433221100"
_STATE = "/task-protection/v1/state"
Mood = Literal["sound", "held_up", "refuses", "denies", "throttles", "nonsense", "hangs"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for protection that was well-formed. ``minutes`` is 0 where protection is taken off."""

    enabled: bool
    minutes: int


@dataclass
class EcsAgent:
    """Use as a context manager. ``mood`` says how it answers from now on; ``asked`` is what it was asked for, refused requests too.

    Attributes:
        faults: what was wrong with requests that the real agent would not understand; a test ends by looking that there are none.
        restarts: what the metadata tells of restarts of the container; None: it has no restart policy.
        addresses: the task's addresses.
    """

    mood: Mood = "sound"
    task_id: str = TASK_ID
    restarts: int | None = None
    addresses: tuple[str, ...] = ("127.0.0.1",)
    asked: list[Asked] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    protected_until: datetime | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __enter__(self) -> Self:
        self._gone = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        """What ECS tells a container."""
        return {"ECS_AGENT_URI": f"{self.url}/api/c1", "ECS_CONTAINER_METADATA_URI_V4": f"{self.url}/v4/c1"}

    @property
    def task_arn(self) -> str:
        return f"arn:aws:ecs:us-east-1:123456789012:task/nexus/{self.task_id}"

    @property
    def protected(self) -> bool:
        return self.protected_until is not None

    def wait_for(self, count: int, within_s: float = 10.0) -> list[Asked]:
        """What was asked, once it is so much. From a coroutine: ``await asyncio.to_thread(agent.wait_for, 1)``."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= count, within_s), f"asked only {self.asked}"
            return [*self.asked]

    # --- the endpoint ---

    def put(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, Any] | None:
        """The answer; None: there will be none."""
        if path != f"/api/c1{_STATE}":
            return self._misunderstood(f"PUT {path}")
        if not headers.get("content-type", "").startswith("application/json"):
            return self._misunderstood(f"content-type {headers.get('content-type')!r}")
        try:
            asked = _asked(json.loads(body))
        except (ValueError, TypeError, KeyError) as error:
            return self._misunderstood(f"{error}: {body!r}")
        with self._changed:
            self.asked.append(asked)
            self._changed.notify_all()
        return self._answered(asked)

    def _answered(self, asked: Asked) -> tuple[int, Any] | None:
        match self.mood:
            case "hangs":
                self._gone.wait(60)
                return None
            case "nonsense":
                return 200, "no object"
            case "held_up" if asked.enabled:  # the service has more protected tasks than it is to run
                return 200, {"failure": {"Arn": self.task_arn, "Detail": None, "Reason": "DEPLOYMENT_BLOCKED"}}
            case "refuses":
                return 200, {"failure": {"Arn": self.task_arn, "Detail": None, "Reason": "TASK_NOT_VALID"}}
            case "denies":
                return 400, self._error("AccessDeniedException", "User is not authorized to perform: ecs:UpdateTaskProtection")
            case "throttles":
                return 429, self._error("ThrottlingException", "Rate exceeded")
        self.protected_until = datetime.now(UTC) + timedelta(minutes=asked.minutes) if asked.enabled else None
        until = {"ExpirationDate": self.protected_until.strftime("%Y-%m-%dT%H:%M:%SZ")} if self.protected_until else {}
        return 200, {"protection": {**until, "ProtectionEnabled": asked.enabled, "TaskArn": self.task_arn}}

    def get(self, path: str) -> tuple[int, Any]:
        if path == f"/api/c1{_STATE}":
            return 200, {"protection": {"ProtectionEnabled": self.protected, "TaskArn": self.task_arn}}
        if path == "/v4/c1":
            return (200, self.metadata()) if self.mood != "nonsense" else (200, "no object")
        return self._misunderstood(f"GET {path}")

    def metadata(self) -> dict[str, Any]:
        """Of the media container."""
        network = {"NetworkMode": "awsvpc", "IPv4Addresses": list(self.addresses), "PrivateDNSName": "ip-10-0-0-5.ec2.internal"}
        return {
            "DockerId": "c1",
            "Name": "media",
            "Labels": {"com.amazonaws.ecs.task-arn": self.task_arn, "com.amazonaws.ecs.container-name": "media"},
            "KnownStatus": "RUNNING",
            "Networks": [network],
            **({} if self.restarts is None else {"RestartCount": self.restarts}),
        }

    def _error(self, code: str, message: str) -> dict[str, Any]:
        told = {"Arn": self.task_arn, "Code": code, "Message": message}
        return {"requestID": "00000000-0000-0000-0000-000000000000", "error": told}

    def _misunderstood(self, what: str) -> tuple[int, Any]:
        self.faults.append(what)
        return 400, self._error("InvalidParameterException", what)


def _asked(body: dict[str, Any]) -> Asked:
    enabled = body["ProtectionEnabled"]
    if not isinstance(enabled, bool) or body.keys() - {"ProtectionEnabled", "ExpiresInMinutes"}:
        raise ValueError("ProtectionEnabled must be a boolean, and nothing else be said but ExpiresInMinutes")
    minutes = body.get("ExpiresInMinutes", 120 if enabled else 0)
    if enabled and (isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes <= 2880):
        raise ValueError("ExpiresInMinutes must be a whole number from 1 to 2880")
    if not enabled and "ExpiresInMinutes" in body:
        raise ValueError("ExpiresInMinutes is for protection that is set")
    return Asked(enabled, minutes)


def _handler(agent: EcsAgent) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            self._answer(agent.put(self.path, {name.lower(): value for name, value in self.headers.items()}, body))

        def do_GET(self) -> None:
            self._answer(agent.get(self.path))

        def _answer(self, answer: tuple[int, Any] | None) -> None:
            if answer is None:
                self.close_connection = True
                return
            status, value = answer
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
