"""A server for the console alone: canned REST answers, and a socket that speaks nexus.v1 with a tone as agent audio."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from nexus.domain.call import CallerTrace, EndReason
from nexus.domain.lead import LeadObject
from nexus.domain.session import Interruptions, Meta, Percentiles, SessionRecord, StageTimes, Statistics, TalkTime, ToolUse, Turn
from tests.fakes.console_shelves import add_shelves

CONSOLE = Path(__file__).resolve().parents[2] / "control_plane" / "console"
CSP = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
RATE_HZ = 24000
STAGES = {"silence_wait": 510.0, "stt": 190.0, "dialogue": 80.0, "first_sentence": 120.0, "transport": 20.0, "e2e": 920.0}


@dataclass(slots=True)
class ConsoleBackend:
    """What the fake is told to do, and what it has seen."""

    refuse: dict[str, Any] | None = None
    refuse_sockets: int = 0
    drop_on_text: bool = False
    keys: list[str] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    audio_bytes: int = 0
    ended: list[str] = field(default_factory=list)
    no_tenants: bool = False


@contextmanager
def console_server(backend: ConsoleBackend) -> Iterator[str]:
    """The console on a free loopback port; gives its address."""
    # A listening socket takes connections before the server does: nobody has to wait for its start.
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(_app(backend), log_level="error", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"http://localhost:{port}/console/"
    finally:
        server.should_exit = True
        thread.join(5)


def _app(backend: ConsoleBackend) -> FastAPI:
    app = FastAPI()

    @app.middleware("http")
    async def strict(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["content-security-policy"] = CSP
        return response

    @app.get("/v1/tenants")
    async def tenants() -> Any:
        return {"data": [] if backend.no_tenants else TENANTS, "has_more": False, "next_cursor": None}

    @app.get("/v1/tenants/{tenant}")
    async def tenant(tenant: str) -> Any:
        return {**TENANT, "id": tenant}

    @app.get("/v1/tenants/{tenant}/sessions")
    async def sessions(tenant: str, status: str = "", cursor: str = "", limit: int = 25) -> Any:
        rows = [row for row in session_rows(backend, tenant) if not status or row["status"] == status]
        start = int(cursor or 0)
        more = start + limit < len(rows)
        return {"data": rows[start : start + limit], "has_more": more, "next_cursor": str(start + limit) if more else None}

    @app.get("/v1/tenants/{tenant}/sessions/{call}")
    async def session(tenant: str, call: str) -> Any:
        return session_detail(tenant, call)

    @app.get("/v1/tenants/{tenant}/leads")
    async def leads(tenant: str, follow_up_required: bool | None = None) -> Any:
        rows = [row for row in lead_rows(tenant) if follow_up_required in (None, row["lead"]["follow_up_required"])]
        return {"data": rows, "has_more": False, "next_cursor": None}

    _add_calls(app, backend)
    add_shelves(app)
    app.mount("/console", StaticFiles(directory=CONSOLE, html=True))
    return app


def _add_calls(app: FastAPI, backend: ConsoleBackend) -> None:
    @app.post("/v1/tenants/{tenant}/calls", status_code=201)
    async def calls(tenant: str, request: Request) -> Any:
        backend.keys.append(request.headers["idempotency-key"])
        if backend.refuse:
            return JSONResponse(backend.refuse, backend.refuse["status"], {"retry-after": "5"}, "application/problem+json")
        url = f"ws://{request.headers['host']}/v1/calls/{CALL}"
        return {
            "id": CALL,
            "tenant_id": tenant,
            "websocket": {"url": url, "subprotocol": "nexus.v1", "ticket": f"ticket-{len(backend.keys)}"},
        }

    @app.websocket("/v1/calls/{call}")
    async def call(socket: WebSocket) -> None:
        if backend.refuse_sockets > 0:
            backend.refuse_sockets -= 1
            await socket.close(4401)
            return
        await socket.accept(subprotocol="nexus.v1")
        await _talk(socket, backend)


async def _talk(socket: WebSocket, backend: ConsoleBackend) -> None:
    """Greet with a tone; to typed words: show a whole turn with tool and latency; ``stop`` interrupts; ``bye`` ends."""
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            if message.get("bytes"):
                backend.audio_bytes += len(message["bytes"])
                continue
            told = json.loads(message["text"])
            backend.received.append(told)
            if told["type"] == "session.end":
                backend.ended.append(CALL)
                return await _end(socket, "caller_hangup")
            if told["type"] == "input.text" and backend.drop_on_text:
                return await socket.close(1011)
            for answer in ANSWERS.get(told["type"], _silent)(told):
                await (socket.send_bytes(answer) if isinstance(answer, bytes) else socket.send_json(answer))
            if told.get("text") == "bye":
                return await _end(socket, "agent_hangup")
    except WebSocketDisconnect:
        backend.ended.append("gone")


async def _end(socket: WebSocket, reason: str) -> None:
    await socket.send_json({"type": "session.ended", "end_reason": reason})
    await socket.close(1000)


def said(role: str, item: str, text: str, *, final: bool = True, start_ms: float = 0.0, interrupted: bool = False) -> dict[str, Any]:
    """A transcript message."""
    base = {"type": "transcript", "role": role, "item_id": item, "text": text, "final": final, "start_ms": start_ms}
    return {**base, "end_ms": start_ms + 1000, "interrupted": interrupted}


GREETING = "Hello, this is Clip & Comb. How can I help you today?"
OFFER = "On Thursday I have ten, half past eleven and four o'clock. Which one would you like?"


def _silent(_told: dict[str, Any]) -> list[Any]:
    return []


def _on_start(_told: dict[str, Any]) -> list[Any]:
    formats = {"codec": "pcm_s16le", "sample_rate": RATE_HZ}
    started = {"type": "session.started", "call_id": CALL, "session_id": CALL, "output": formats, "frame_ms": 20}
    return [
        started,
        {"type": "state", "state": "speaking"},
        {"type": "audio.begin", "item_id": "a1"},
        *tone(1.2),
        said("agent", "a1", GREETING),
        {"type": "audio.end", "item_id": "a1"},
        {"type": "state", "state": "listening"},
    ]


def _on_text(told: dict[str, Any]) -> list[Any]:
    if told["text"] == "stop":
        return [
            {"type": "audio.clear", "item_id": "a2", "heard_ms": 700.0},
            said("agent", "a2", "On Thursday I have ten,", start_ms=9000, interrupted=True),
            said("caller", "c2", "Stop, ten is fine.", start_ms=10300),
            {"type": "state", "state": "listening"},
        ]
    if told["text"] == "text only":
        return [{"type": "mode_changed", "to": "text_only", "reason": "engine_lost"}]
    if told["text"] == "other engine":
        return [{"type": "mode_changed", "to": "voice", "reason": "engine_lost"}, {"type": "state", "state": "connecting"}]
    tool = {"type": "tool", "name": "check_availability"}
    return [
        said("caller", "c1", "Do you have", final=False, start_ms=5000),
        said("caller", "c1", told["text"], start_ms=5000),
        {"type": "state", "state": "tool"},
        {**tool, "status": "running", "duration_ms": 0},
        {**tool, "status": "done", "duration_ms": 84.0},
        {"type": "latency", "stages": STAGES},
        {"type": "state", "state": "speaking"},
        {"type": "audio.begin", "item_id": "a2"},
        said("agent", "a2", OFFER, start_ms=9000),
        *tone(20),
    ]


ANSWERS: dict[str, Callable[[dict[str, Any]], list[Any]]] = {"session.start": _on_start, "input.text": _on_text}


def tone(seconds: float) -> list[bytes]:
    """A 220 Hz tone, PCM16, 24 kHz, frames of 20 ms."""
    one = [
        struct.pack("<480h", *(int(9000 * math.sin(2 * math.pi * 220 * (i + at * 480) / RATE_HZ)) for i in range(480))) for at in range(6)
    ]
    return [one[at % 6] for at in range(int(seconds * 50))]


CALL = "call_01KAQ2Z3M4N5P6Q7R8S9T0V1W2"
FAULTS = [
    "config.yaml:7: voice_settings.speed: 9 is more than 2; write a number from 0.5 to 2",
    "config.yaml:12: system_prompt: is missing; say who the agent is",
]
TENANTS = [
    {"id": "barber_shop_demo", "name": "Clip & Comb", "status": "active", "faults": []},
    {"id": "pizza_demo", "name": "Napoli Pizza", "status": "active", "faults": []},
    {"id": "broken_demo", "name": "broken_demo", "status": "broken", "faults": FAULTS},
]
TENANT = {
    "name": "Clip & Comb",
    "status": "active",
    "timezone": "Europe/Berlin",
    "greeting": GREETING,
    "first_speaker": "agent",
    "has_knowledge_base": True,
    "voice_settings": {"voice_id": "en_us_male_calm", "language": "en-US"},
    "enabled_tools": ["check_availability", "book_appointment"],
    "barge_in": {"enabled": True, "sensitivity": "medium"},
    "limits": {"max_duration_s": 1800, "concurrent_calls": 10},
    "recording": {"enabled": False},
}


def session_rows(backend: ConsoleBackend, tenant: str) -> list[dict[str, Any]]:
    """Thirty sessions of the barber, newest first; and the call just ended."""
    if tenant != "barber_shop_demo":
        return []
    reasons = [
        ("completed", "caller_hangup", "booking_made"),
        ("completed", "agent_hangup", "information_given"),
        ("abandoned", "caller_lost", ""),
        ("failed", "engine_lost", ""),
    ]
    rows = [
        {
            "id": CALL if at == 0 else f"call_{at:026d}",
            "tenant_id": tenant,
            "status": reasons[at % 4][0],
            "end_reason": reasons[at % 4][1],
            "outcome": reasons[at % 4][2],
            "started_at": f"2026-11-{20 - at // 2:02d}T{10 + (at + 1) % 2:02d}:02:11Z",
            "duration_ms": 41000.0 + 7300 * at,
            "turns": 6 + at % 5,
            "tool_calls": at % 4,
            "engine": "cascade",
        }
        for at in range(30)
    ]
    return rows


def lead_rows(tenant: str) -> list[dict[str, Any]]:
    if tenant != "barber_shop_demo":
        return []
    names = [
        ("Maria Lopez", "+49 *** 4711", "booking_made", "positive", False),
        ("Jonas Weber", "", "request_failed", "neutral", True),
        ("", "", "unknown", "negative", True),
    ]
    return [
        {
            "id": f"lead_{at}",
            "tenant_id": tenant,
            "session_id": CALL,
            "call_started_at": f"2026-11-2{1 - at % 2}T0{9 - at}:00:00Z",
            "status": "done",
            "lead": {
                "customer_name": name,
                "customer_phone": phone,
                "core_intent": "book_appointment",
                "call_outcome": outcome,
                "sentiment": mood,
                "follow_up_required": follow,
            },
        }
        for at, (name, phone, outcome, mood, follow) in enumerate(names)
    ]


def session_detail(tenant: str, call: str) -> dict[str, Any]:
    """A booking, as the API tells it: built by the product's own record type, so that it cannot drift from it."""
    start, end = "2026-11-20T11:02:11Z", "2026-11-20T11:02:52Z"
    stages = StageTimes(**STAGES)
    book = {"day": "2026-11-26", "time": "10:00", "name": "[name]"}
    turns = (
        Turn(i=0, role="agent", start_ms=200, end_ms=3900, text=GREETING, heard_text=GREETING),
        Turn(
            i=1,
            role="caller",
            start_ms=5000,
            end_ms=8000,
            text="A haircut on Thursday, please.",
            heard_text="A haircut on Thursday, please.",
        ),
        Turn(
            i=2,
            role="agent",
            start_ms=9000,
            end_ms=11000,
            text=OFFER,
            heard_text="On Thursday I have ten,",
            interrupted=True,
            stages=stages,
        ),
        Turn(i=3, role="caller", start_ms=10900, end_ms=13000, text="Ten is fine.", heard_text="Ten is fine.", typed=True),
        Turn(
            i=4,
            role="agent",
            start_ms=14200,
            end_ms=19000,
            text="Done, see you on Thursday at ten.",
            heard_text="Done, see you on Thursday at ten.",
            stages=stages,
        ),
    )
    tools = (
        ToolUse(
            request_id="1",
            name="check_availability",
            turn=1,
            arguments={"day": "2026-11-26"},
            output="10:00, 11:30, 16:00",
            status="done",
            started_ms=8300,
            duration_ms=84,
        ),
        ToolUse(
            request_id="2",
            name="book_appointment",
            turn=3,
            arguments=book,
            output="Booked.",
            status="done",
            started_ms=13400,
            duration_ms=112,
        ),
    )
    record = SessionRecord.model_validate(
        {
            "id": call,
            "session_id": call,
            "tenant_id": tenant,
            "config_hash": "sha256:0",
            "engine": "cascade",
            "status": "completed",
            "end_reason": EndReason.CALLER_HANGUP,
            "created_at": start,
            "connected_at": start,
            "ended_at": end,
            "duration_ms": 41000.0,
            "talk_ms": TalkTime(caller=7100, agent=11200),
            "caller": CallerTrace(last4="4711"),
            "turns": turns,
            "tools": tools,
            "interruptions": Interruptions(caller=1),
            "latency_ms": {name: Percentiles(n=2, p50=ms, p90=ms, p95=ms * 1.1, p99=ms, max=ms * 1.2) for name, ms in STAGES.items()},
            "meta": Meta(tenant_id=tenant, start_time=start, end_time=end, duration_seconds=41, status="COMPLETED"),
            "statistics": Statistics(user_messages=2, ai_messages=3, tool_calls=2, errors=0, total_events=9),
        }
    )
    lead = LeadObject(
        customer_name="Maria Lopez",
        customer_phone="+49 *** 4711",
        core_intent="book_appointment",
        sentiment="positive",
        call_outcome="booking_made",
        key_topics=("haircut", "thursday"),
        summary="Maria booked a haircut for Thursday at ten.",
    )
    return {
        **record.model_dump(mode="json"),
        "intelligence": lead.model_dump(mode="json"),
        "analysis": {"schema_version": 1, "lead_id": call.replace("call_", "lead_"), "model": "scripted", "status": "done", "error": ""},
    }
