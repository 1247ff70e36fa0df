"""What the settings mean for the control plane's door."""

from __future__ import annotations

from pathlib import Path

from control_plane.embedded_wiring import local_secrets, stores_of
from control_plane.models.gemini import GeminiLeads
from control_plane.wiring import door_policy, lead_model
from nexus.adapters.embedded import embedded_stores
from nexus.settings.values import load_settings


def test_the_door_answers_to_loopback_the_address_and_the_public_host() -> None:
    policy = door_policy(load_settings(None, host="10.0.0.7", public_url="https://voice.example.com", allowed_origins="https://a.example"))
    assert policy.hosts == ("localhost", "127.0.0.1", "::1", "10.0.0.7", "voice.example.com")
    assert policy.origins == ("https://a.example",)


def test_listening_everywhere_does_not_answer_to_every_name() -> None:
    assert door_policy(load_settings(None, host="::")).hosts == ("localhost", "127.0.0.1", "::1")


async def test_keys_are_made_once_and_stores_stand_on_disk(tmp_path: Path) -> None:
    settings = load_settings(None, data_dir=tmp_path / "data", tenants_dir=tmp_path / "tenants")
    (tmp_path / "tenants").mkdir()
    assert local_secrets(settings) == local_secrets(settings)
    assert await stores_of(embedded_stores(settings)).tenants.list_ids() == ()


async def test_the_key_decides_who_reads_leads() -> None:
    assert lead_model(load_settings(None, chat_model="auto", gemini_api_key="")).name == "scripted"
    gemini = lead_model(load_settings(None, chat_model="auto", gemini_api_key="k", gemini_model="gemini-3.8-flash"))
    assert gemini.name == "gemini:gemini-3.8-flash"
    assert isinstance(gemini, GeminiLeads)
    await gemini.close()
