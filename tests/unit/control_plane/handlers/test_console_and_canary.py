"""The console's files lie in their bucket, and nothing else; the test call tells its figures, whatever happens to it."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

import control_plane
from nexus.errors import ConfigurationError
from tests.aws import client
from tests.fakes.console_server import ConsoleBackend, console_server
from tests.fakes.lambda_events import Context, scheduled
from tests.unit.control_plane.handlers.test_keys import cloudformation, request

FILES = Path(control_plane.__file__).parent / "console"
Load = Callable[..., ModuleType]


@pytest.fixture
def load(moto: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """A cold start of a function with an environment."""
    handlers = logging.getLogger().handlers[:]

    def cold(name: str, **environment: str) -> ModuleType:
        for variable, value in {**environment, "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(variable, value)
        sys.modules.pop(f"control_plane.handlers.{name}", None)
        return importlib.import_module(f"control_plane.handlers.{name}")

    yield cold
    logging.getLogger().handlers[:] = handlers


def bucket(name: str) -> str:
    client("s3", "").create_bucket(Bucket=name)
    return name


def names(of: str) -> set[str]:
    return {one["Key"] for one in client("s3", "").list_objects_v2(Bucket=of).get("Contents", ())}


def test_every_file_is_put_as_what_it_is_and_what_is_none_any_more_goes(load: Load) -> None:
    place = bucket("console-1")
    client("s3", "").put_object(Bucket=place, Key="pages/gone.js", Body=b"old")
    function = load("console_files", NEXUS_CONSOLE_BUCKET=place, NEXUS_CONSOLE_FILES=str(FILES))
    told = function.handler({}, Context())
    assert names(place) == {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()}
    assert told == {"files": len(names(place))}
    kinds = {name: client("s3", "").get_object(Bucket=place, Key=name) for name in ("index.html", "app.js", "console.css", "logo.svg")}
    assert {name: one["ContentType"] for name, one in kinds.items()} == {
        "index.html": "text/html; charset=utf-8",
        "app.js": "text/javascript; charset=utf-8",
        "console.css": "text/css; charset=utf-8",
        "logo.svg": "image/svg+xml",
    }
    assert {one["CacheControl"] for one in kinds.values()} == {"no-cache"}


def test_cloudformation_is_told_and_the_bucket_is_empty_when_the_stack_goes(load: Load, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    place = bucket("console-2")
    function = load("console_files", NEXUS_CONSOLE_BUCKET=place, NEXUS_CONSOLE_FILES=str(tmp_path))
    for kind, held in (("Create", {"index.html"}), ("Update", {"index.html"}), ("Delete", set())):
        with cloudformation() as (url, told):
            function.handler(request(url, kind), Context())
        assert [(one["Status"], one["PhysicalResourceId"]) for one in told] == [("SUCCESS", "nexus-console-files")]
        assert names(place) == held
    lost = load("console_files", NEXUS_CONSOLE_BUCKET="no-such-bucket", NEXUS_CONSOLE_FILES=str(tmp_path))
    with cloudformation() as (url, told):
        lost.handler(request(url, "Update"), Context())
    assert told[0]["Status"] == "FAILED" and "NoSuchBucket" in told[0]["Reason"]


def test_a_console_without_its_place_fails_at_once(load: Load) -> None:
    with pytest.raises(ConfigurationError, match="NEXUS_CONSOLE_FILES"):
        load("console_files", NEXUS_CONSOLE_BUCKET="b", NEXUS_CONSOLE_FILES="")


def figures(text: str) -> dict[str, float]:
    told = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    emf = [one for one in told if "_aws" in one]
    assert {metric["Namespace"] for one in emf for metric in one["_aws"]["CloudWatchMetrics"]} <= {"Nexus/Canary"}
    names = {metric["Name"] for one in emf for each in one["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]}
    values = {name: one[name] for one in emf for name in names if name in one}
    return {name: value[0] if isinstance(value, list) else value for name, value in values.items()}


def test_a_test_call_tells_its_figures_and_names_what_failed(load: Load, capsys: pytest.CaptureFixture[str]) -> None:
    secret = client("secretsmanager", "").create_secret(Name="canary", SecretString="nx_sec_test\n")["ARN"]
    backend = ConsoleBackend()
    with console_server(backend) as address:
        told = {"NEXUS_CANARY_URL": address.removesuffix("/console/"), "NEXUS_CANARY_TENANT": "barber_shop_demo"}
        function = load("canary", **told, NEXUS_CANARY_KEY_SECRET=secret)
        assert function.handler(scheduled("canary"), Context())["failed"] == ""
        well = figures(capsys.readouterr().out)
        assert well["Success"] == 1 and 0 <= well["AnswerMs"] < 5_000
        backend.refuse = {"status": 503, "code": "no_engine_slot", "title": "busy"}
        assert function.handler(scheduled("canary"), Context())["failed"] == "order"
        said = capsys.readouterr().out
    assert figures(said) == {"Success": 0}
    assert "failed at order: 503 no_engine_slot" in said and "nx_sec_test" not in said


def test_a_test_call_without_its_key_says_so(load: Load) -> None:
    empty = client("secretsmanager", "").create_secret(Name="canary-empty")["ARN"]
    told = {"NEXUS_CANARY_URL": "https://api.example.com", "NEXUS_CANARY_TENANT": "demo"}
    function = load("canary", **told, NEXUS_CANARY_KEY_SECRET=empty)
    with pytest.raises(ConfigurationError, match="given a value"):
        function.handler(scheduled("canary"), Context())
