"""Settings: typed, checked at start, and the same list in three places."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import ClassVar

import pytest

from nexus.errors import ConfigurationError
from nexus.settings.choices import ChatModelName, Environment
from nexus.settings.pages import env_example, settings_table
from nexus.settings.values import Settings, load_settings

ROOT = Path(__file__).parents[3]
WRITE = "run: .venv/bin/python -m nexus.settings"


@pytest.fixture(autouse=True)
def no_outside_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name.upper() in names:
            monkeypatch.delenv(name)


def test_the_example_file_lists_every_setting() -> None:
    assert (ROOT / ".env.example").read_text(encoding="utf-8") == env_example(), WRITE


def test_the_document_lists_every_setting() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_table(), WRITE
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`{name.upper()}`" in settings_table()


def test_the_example_taken_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    taken = tmp_path / ".env"
    taken.write_text(re.sub(r"^# ([A-Z_]+=)", r"\1", env_example(), flags=re.MULTILINE), encoding="utf-8")
    assert load_settings(taken) == load_settings(None)


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("PORT=9001\nHOST=0.0.0.0\nSOMETHING_ELSE=1\n", encoding="utf-8")
    monkeypatch.setenv("PORT", "9002")
    settings = load_settings(file)
    assert (settings.port, settings.host) == (9002, "0.0.0.0")  # noqa: S104
    assert load_settings(file, port=9003).port == 9003


def test_a_missing_file_and_empty_values_mean_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    assert load_settings(tmp_path / "none").port == 8000


def test_the_originals_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PERSONAPLEX_WS_URL": "ws://personaplex:9000/v1/audio-stream",
        "AUDIO_SAMPLE_RATE": "16000",
        "AUDIO_BIT_DEPTH": "16",
        "AUDIO_CHANNELS": "1",
        "AUDIO_CHUNK_SIZE": "4096",
        "PERSONAPLEX_CONNECT_TIMEOUT": "10",
        "PERSONAPLEX_MAX_RECONNECT_ATTEMPTS": "3",
        "PERSONAPLEX_RECONNECT_DELAY": "2",
        "LOG_LEVEL": "info",
        "LOG_FORMAT": "json",
        "GEMINI_API_KEY": "your_actual_key_here",
        "GEMINI_MODEL": "gemini-1.5-pro",
        "GEMINI_TRANSPORT": "grpc",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(None)
    assert settings.gemini_model == "gemini-3.8-flash"
    assert not settings.uses_gemini
    assert settings.log_format == "JSON"


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("gemini-1.5-flash", "gemini-3.8-flash"),
        ("models/gemini-2.0-flash", "gemini-3.8-flash"),
        ("gemini-pro", "gemini-3.8-flash"),
        ("gemini-3.7-flash", "gemini-3.8-flash"),
        ("gemini-3.6-flash", "gemini-3.6-flash"),
        ("gemini-3.5-flash-lite", "gemini-3.5-flash-lite"),
        ("gemini-4-argon", "gemini-4-argon"),
    ],
)
def test_retired_models_become_the_current_one(name: str, used: str) -> None:
    assert load_settings(None, gemini_model=name).gemini_model == used


def test_every_fault_is_told_at_once_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "many")
    monkeypatch.setenv("ENGINE", "psychic")
    monkeypatch.setenv("AUDIO_SAMPLE_RATE", "8000")
    monkeypatch.setenv("ALLOWED_ORIGINS", "example.com")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None)
    assert refused.value.code == "setting_invalid"
    assert {fault.split(":")[0] for fault in refused.value.faults} == {"PORT", "ENGINE", "AUDIO_SAMPLE_RATE", "ALLOWED_ORIGINS"}


def test_gemini_by_name_needs_its_key_and_by_auto_does_not() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, chat_model="gemini")
    assert "GEMINI_API_KEY" in refused.value.faults[0]
    assert not load_settings(None).uses_gemini
    with_key = load_settings(None, gemini_api_key="abc")
    assert with_key.chat_model is ChatModelName.AUTO
    assert with_key.uses_gemini
    assert not load_settings(None, gemini_api_key="abc", chat_model="scripted").uses_gemini


def test_the_key_is_never_shown() -> None:
    assert "s3cret" not in repr(load_settings(None, gemini_api_key="s3cret"))
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, gemini_api_key="s3cret", port="x")
    assert "s3cret" not in str(refused.value)


def test_production_closes_the_development_door() -> None:
    assert load_settings(None).simple_door_open
    settings = load_settings(None, environment="production", dev_door=True)
    assert settings.environment is Environment.PRODUCTION
    assert not settings.simple_door_open


@pytest.mark.parametrize(
    ("given", "required"),
    [
        ({}, False),
        ({"host": "localhost"}, False),
        ({"host": "::1"}, False),
        ({"host": "0.0.0.0"}, True),  # noqa: S104
        ({"host": "10.0.0.7"}, True),
        ({"environment": "production"}, True),
        ({"auth": "required"}, True),
        ({"auth": "off", "host": "0.0.0.0"}, False),  # noqa: S104
    ],
)
def test_credentials_are_asked_for_everywhere_but_at_home(given: dict[str, str], required: bool) -> None:
    assert load_settings(None, **given).auth_required is required


@pytest.mark.parametrize(
    "given",
    [
        {"auth": "off", "environment": "production"},
        {"oidc_issuer": "https://login.example.com"},
        {"oidc_issuer": "http://login.example.com", "oidc_audience": "a"},
        {"oidc_issuer": "login.example.com", "oidc_audience": "a"},
        {"oidc_issuer": "https://login.example.com", "oidc_audience": "a", "oidc_jwks_url": "http://login.example.com/keys"},
        {"oidc_issuer": "http://localhost.evil.example", "oidc_audience": "a"},
        {"oidc_issuer": "http://localhost@evil.example", "oidc_audience": "a"},
        {"oidc_scopes": "openid"},
        {"oidc_issuer": "https://login.example.com", "oidc_audience": "a", "oidc_scopes": "profile"},
        {"oidc_issuer": "https://login.example.com", "oidc_audience": "a", "oidc_scopes": 'openid "'},
        {"oidc_issuer": "https://login.example.com;script-src", "oidc_audience": "a", "oidc_scopes": "openid"},
        {"oidc_issuer": "https://x@login.example.com", "oidc_audience": "a", "oidc_scopes": "openid"},
        {"oidc_token_origin": "https://login.example.com/oauth2"},
        {"oidc_token_origin": "https://login.example.com; script-src *"},
        {"oidc_token_origin": "http://login.example.com"},
        {"oidc_token_origin": "https://*"},
    ],
)
def test_doors_that_would_stand_open(given: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="setting_invalid"):
        load_settings(None, **given)


def test_an_issuer_on_this_machine_may_speak_http() -> None:
    assert load_settings(None, oidc_issuer="http://127.0.0.1:9000", oidc_audience="a").oidc_issuer


def test_the_console_asks_at_the_issuer_and_where_it_redeems_codes_and_only_where_people_are_sent_there() -> None:
    given = {"oidc_issuer": "https://login.example.com:8443/pool", "oidc_audience": "a", "oidc_token_origin": "https://pool.example.com"}
    assert load_settings(None, **given).sign_in_origins == ()
    told = load_settings(None, **given, oidc_scopes="openid profile")
    assert told.sign_in_origins == ("https://login.example.com:8443", "https://pool.example.com")
    one = load_settings(None, oidc_issuer="http://127.0.0.1:9000", oidc_audience="a", oidc_scopes="openid")
    assert one.sign_in_origins == ("http://127.0.0.1:9000",)


def test_origins_are_a_set() -> None:
    assert load_settings(None, allowed_origins="https://a.example, http://b.example:81 ,").origins == {
        "https://a.example",
        "http://b.example:81",
    }


class TestProcesses:
    """The server processes of a full-duplex model."""

    def test_one_two_and_none(self) -> None:
        one, two = "ws://127.0.0.1:8998/api/chat", "wss://gpu.example/api/chat"
        assert load_settings(None, engine="personaplex").personaplex_urls == ()
        assert load_settings(None, engine="personaplex", personaplex_ws_url=one).personaplex_urls == (one,)
        assert load_settings(None, engine="personaplex", personaplex_ws_url=f" {one} , {two},").personaplex_urls == (one, two)

    @pytest.mark.parametrize(
        ("urls", "told"),
        [
            ("ws://localhost:9000/v1/audio-stream", "ENGINE=pcm_sidecar and PCM_SIDECAR_WS_URL"),
            ("http://localhost:8998/api/chat", "ws://127.0.0.1:8998/api/chat"),
            ("localhost:8998", "ws://127.0.0.1:8998/api/chat"),
            ("ws://localhost:8998", "ws://127.0.0.1:8998/api/chat"),
            ("ws://localhost:8998/api/chat/", "ws://127.0.0.1:8998/api/chat"),
            ("ws:///api/chat", "ws://127.0.0.1:8998/api/chat"),
            ("ws://a:1/api/chat?seed=1", "ws://127.0.0.1:8998/api/chat"),
            ("ws://[/api/chat", "ws://127.0.0.1:8998/api/chat"),
            ("ws://a:1/api/chat,ws://a:1/api/chat", "name each once"),
        ],
    )
    def test_what_is_no_process(self, urls: str, told: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            load_settings(None, engine="personaplex", personaplex_ws_url=urls)
        assert told in refused.value.faults[0]
        assert load_settings(None, personaplex_ws_url=urls).sidecars == ()  # of no concern to another engine

    def test_a_personaplex_address_is_no_sidecar_of_ones_own(self) -> None:
        address = "ws://localhost:8998/api/chat"
        with pytest.raises(ConfigurationError, match="ENGINE=personaplex and PERSONAPLEX_WS_URL"):
            load_settings(None, engine="pcm_sidecar", pcm_sidecar_ws_url=address)
        assert load_settings(None, pcm_sidecar_ws_url=address)  # of no concern to another engine

    def test_spares_leave_something_for_calls(self) -> None:
        two = "ws://a:1/api/chat,ws://b:1/api/chat"
        with pytest.raises(ConfigurationError, match="PERSONAPLEX_SPARES"):
            load_settings(None, engine="personaplex", personaplex_ws_url=two, personaplex_spares=2)
        assert load_settings(None, engine="personaplex", personaplex_ws_url="ws://a:1/api/chat", personaplex_spares=1)

    def test_a_call_moves_before_its_window_ends(self) -> None:
        with pytest.raises(ConfigurationError, match="PERSONAPLEX_ROTATE_AFTER_S"):
            load_settings(None, personaplex_rotate_after_s=300, personaplex_window_s=300)


class TestStoresInAws:
    """What a media plane over AWS must be told: a name or a key that each process made for itself would fit no other's."""

    WHOLE: ClassVar[dict[str, str]] = {
        "stores": "aws",
        "aws_table": "nexus-prod",
        "aws_bucket": "nexus-prod-calls",
        "ticket_public_keys": "-----BEGIN PUBLIC KEY-----",
        "call_pepper": "1f" * 32,
        "seal_key": "2f" * 32,
    }

    def test_the_whole_is_taken(self) -> None:
        settings = load_settings(None, **self.WHOLE)
        assert (settings.stores, settings.aws_table, settings.aws_bucket, settings.aws_fleet) == (
            "aws",
            "nexus-prod",
            "nexus-prod-calls",
            "main",
        )

    @pytest.mark.parametrize("name", ["aws_table", "aws_bucket", "ticket_public_keys", "call_pepper", "seal_key"])
    def test_what_lacks_is_named(self, name: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            load_settings(None, **{key: value for key, value in self.WHOLE.items() if key != name})
        (fault,) = refused.value.faults
        assert fault.startswith(f"{name.upper()}: STORES=aws needs")

    @pytest.mark.parametrize(("name", "instead"), [("ticket_public_keys", "ticket_public_keys_dir"), ("call_pepper", "call_pepper_file")])
    def test_a_file_stands_for_a_text(self, name: str, instead: str) -> None:
        given = {key: value for key, value in self.WHOLE.items() if key != name}
        assert load_settings(None, **given, **{instead: "/run/secrets/it"}).stores == "aws"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("stores", "gcp"),
            ("aws_table", "arn:aws:dynamodb:eu-central-1:1:table/x"),
            ("aws_bucket", "s3://bucket"),
            ("aws_bucket", "Upper"),
            ("aws_fleet", "a b"),
            ("call_pepper", "1f" * 31),
            ("seal_key", "s3cret"),
        ],
    )
    def test_what_is_no_name_or_key_is_refused_and_secrets_are_not_shown(self, name: str, value: str) -> None:
        with pytest.raises(ConfigurationError) as refused:
            load_settings(None, **{**self.WHOLE, name: value})
        (fault,) = refused.value.faults
        assert fault.startswith(name.upper())
        assert "s3cret" not in str(refused.value)

    def test_without_aws_none_of_it_is_asked(self) -> None:
        assert load_settings(None, aws_table="", aws_bucket="").stores == "embedded"


class TestCollector:
    """Where traces go."""

    def test_it_is_named_as_opentelemetry_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=very-secret")
        settings = load_settings(None)
        assert settings.exports_otlp
        assert "very-secret" not in repr(settings)
        assert not load_settings(None, traces="none").exports_otlp

    @pytest.mark.parametrize(
        "url", ["localhost:4318", "grpc://localhost:4317", "http://", "http://a b", "http://a?x=1", "http://a:99999", "http://["]
    )
    def test_what_is_no_base_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_ENDPOINT"):
            load_settings(None, otel_exporter_otlp_endpoint=url)

    def test_its_key_is_asked_for_at_the_start(self) -> None:
        for headers in ("", "api-key=abc", " a = b=c , x=%41%20b,"):
            assert load_settings(None, otel_exporter_otlp_headers=headers).otel_exporter_otlp_headers.get_secret_value() == headers

    @pytest.mark.parametrize(
        "headers", ["s3cr3t", "=s3cr3t", "a=b,s3cr3t", "a b=s3cr3t", "key=s3cr3t\u00e9", "key=s3cr3t%0Ab", "key=s3cr3t%C3%A9"]
    )
    def test_headers_that_nobody_could_send_are_refused_unseen(self, headers: str) -> None:
        with pytest.raises(ConfigurationError, match="OTEL_EXPORTER_OTLP_HEADERS: header") as refused:
            load_settings(None, otel_exporter_otlp_headers=headers)
        assert "s3cr3t" not in str(refused.value)


@pytest.mark.parametrize(
    "told",
    [
        {"otel_exporter_otlp_endpoint": "http://us3r:s3cr3t@collector.example.com/x?apikey=s3cr3t"},
        {"otel_exporter_otlp_endpoint": "http://us3r:s3cr3t@\u2100.example.com"},
        {"allowed_origins": "https://www.example.com, https://us3r:s3cr3t@www.example.com/x"},
        {"oidc_issuer": "http://us3r:s3cr3t@issuer.example.com", "oidc_audience": "console"},
        {"oidc_issuer": "https://us3r:s3cr3t@\u2100.example.com", "oidc_audience": "console"},
        {"oidc_jwks_url": "http://us3r:s3cr3t@issuer.example.com/keys?key=s3cr3t"},
        {"oidc_issuer": "https://us3r:s3cr3t@issuer.example.com", "oidc_audience": "console", "oidc_scopes": "openid"},
        {"oidc_token_origin": "https://us3r:s3cr3t@issuer.example.com"},
        {"engine": "personaplex", "personaplex_ws_url": "ws://us3r:s3cr3t@gpu.example.com:8998/api/chat?key=s3cr3t"},
        {"engine": "personaplex", "personaplex_ws_url": "ws://us3r:s3cr3t@gpu.example.com:8998/v1/audio-stream"},
        {"engine": "pcm_sidecar", "pcm_sidecar_ws_url": "ws://us3r:s3cr3t@gpu.example.com:8998/api/chat"},
    ],
)
def test_an_address_that_is_refused_is_not_shown(told: dict[str, str]) -> None:
    """It may hold a password or a key, and the message goes to the log."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, **told)
    assert "s3cr3t" not in str(refused.value)
