"""A whole call with Gemini: the real SDK against the strict fake, the tenant's real tools, the product's own doors."""

from __future__ import annotations

import asyncio
from pathlib import Path
from shutil import copytree

from local.client import ControlPlane, schemas
from local.serve import serving
from local.softphone import Script as Said
from local.softphone import SoftPhone
from media_plane.dialogue.agent import APOLOGY
from media_plane.engines.scripted import Script, ScriptedEngine
from media_plane.wiring import Instead
from nexus.clock import Clock
from nexus.settings.values import Settings, load_settings
from tests.fakes.gemini_server import GeminiServer, Turn, call, gemini_server, text

TENANT = "barber_shop_demo"
TENANTS = Path(__file__).resolve().parents[2] / "tenants"
LEAD = '{"customer_name": "Dana", "core_intent": "question", "call_outcome": "information_given", "summary": "Asked for times."}'


def settings_for(folder: Path, gemini: GeminiServer) -> Settings:
    return load_settings(
        None,
        port=0,
        engine_connect_attempts=1,
        gemini_api_key=gemini.key,
        gemini_base_url=gemini.base_url,
        data_dir=folder / "data",
        tenants_dir=folder / "tenants",
    )


async def test_a_key_makes_gemini_hold_the_dialogue_and_read_the_lead(tmp_path: Path) -> None:
    """The call has no voice, so what is tested is Gemini: it asks for the tenant's tool, speaks of its outcome, and reads the lead."""
    copytree(TENANTS / TENANT, tmp_path / "tenants" / TENANT)
    no_voice = Instead(voice_engine=lambda: ScriptedEngine(Script(fail_start=True), Clock()))
    turns = (call("check_availability", {"date": "2030-01-08"}), text("There is room ", "in the morning."), text(LEAD))
    async with gemini_server(*turns) as gemini, serving(settings_for(tmp_path, gemini), instead=no_voice) as base:
        rest = ControlPlane(base)
        ordered = await asyncio.to_thread(rest.calls.create, TENANT)
        phone = SoftPhone(ordered["websocket"]["url"], ordered["websocket"]["ticket"])
        report = await phone.call(Said(typed=("This is Dana. Any room on January 8th 2030?",)))
        leads: list[schemas.LeadDetail] = []
        async with asyncio.timeout(10):
            while not leads:
                leads = await asyncio.to_thread(lambda: [*rest.leads.each(TENANT)])
        session = await asyncio.to_thread(rest.sessions.get, TENANT, report.call_id)
    assert [line.text for line in report.lines if line.role == "agent"][-1] == "There is room in the morning."
    assert [(use["name"], use["status"]) for use in session["tools"]] == [("check_availability", "done")]
    assert session["mode_changes"][0]["to"] == "text_only"
    assert session["intelligence"] is not None and session["intelligence"]["customer_name"] == "Dana"
    assert gemini.violations == [] and gemini.turns == []


async def test_malformed_and_empty_calls_are_retried_once_and_recorded(tmp_path: Path) -> None:
    """One malformed call is asked for again and noted; two in a row are noted, and the caller hears an apology instead of nothing."""
    copytree(TENANTS / TENANT, tmp_path / "tenants" / TENANT)
    no_voice = Instead(voice_engine=lambda: ScriptedEngine(Script(fail_start=True), Clock()))
    malformed, empty = Turn(finish="MALFORMED_FUNCTION_CALL"), Turn()
    turns = (malformed, call("check_availability", {"date": "2030-01-08"}), text("There is room."), empty, malformed, text(LEAD))
    async with gemini_server(*turns) as gemini, serving(settings_for(tmp_path, gemini), instead=no_voice) as base:
        rest = ControlPlane(base)
        ordered = await asyncio.to_thread(rest.calls.create, TENANT)
        phone = SoftPhone(ordered["websocket"]["url"], ordered["websocket"]["ticket"])
        report = await phone.call(Said(typed=("Any room on January 8th 2030?", "And the day after?")))
        async with asyncio.timeout(10):
            while not await asyncio.to_thread(lambda: [*rest.leads.each(TENANT)]):
                pass
        session = await asyncio.to_thread(rest.sessions.get, TENANT, report.call_id)
    said = [line.text for line in report.lines if line.role == "agent"]
    faults = [(event["event"], event["message"]) for event in session["transcript"] if event["type"] == "error"]
    assert said[-2:] == ["There is room.", APOLOGY]
    assert [fault for fault in faults if fault[1] == "dialogue"] == [("model_malformed_call", "dialogue")] * 2
    assert [(use["name"], use["status"]) for use in session["tools"]] == [("check_availability", "done")]
    assert gemini.violations == []
