"""A bundle holds what its functions import and nothing of the rest, for the machine that runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest

from infra.bundling import Bundle, platform_of
from infra.environments import Places, of_canary_function, of_console_function, of_function, of_keys_function
from infra.settings import stage_settings
from nexus.adapters.aws.installation import filled
from tests.synth import REPOSITORY, synthesised

OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""What Lambda's runtime has beside the standard library: boto3 and what it stands on."""
_IMPORT = """
import importlib, sys
sys.path[:0] = sys.argv[1:3]
for module in sys.argv[3:]:
    assert callable(importlib.import_module(f"control_plane.handlers.{module}").handler)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both, for the interpreter of this machine, as the emulator gets them."""
    made = {name: tmp_path_factory.mktemp(name) for name in ("lambda", "lambda-models")}
    for name, folder in made.items():
        Bundle(name, platform_of(stage_settings("local"))).build(folder)
    return made


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the runtime gives, and nothing else of this machine's packages."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in OF_THE_RUNTIME:
        spec = find_spec(name)
        assert spec is not None and spec.origin is not None, name
        found = Path(spec.origin)
        source = found.parent if found.name == "__init__.py" else found
        (folder / source.name).symlink_to(source)
    return folder


@contextmanager
def secrets_manager() -> Iterator[str]:
    """What answers the one question that a function asks when it begins."""
    answer = json.dumps({"SecretString": json.dumps(filled({"gemini_api_key": "given"}))}).encode()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def handlers() -> dict[str, list[str]]:
    """Modules of handlers by the requirements that the stacks bundle for them."""
    found = {"lambda": ["console_files"], "lambda-models": ["canary"]}  # of stacks that the emulator does not take
    local = synthesised("local")
    for part in ("Data", "Control"):
        for one in local.of(part, "AWS::Lambda::Function").values():
            module = one["Properties"]["Handler"].split(".")[2]
            found.setdefault("lambda-models" if module == "after_call" else "lambda", []).append(module)
    return found


def environment(endpoint: str) -> dict[str, str]:
    settings = stage_settings("local")
    at = Places(
        "table",
        "bucket",
        "https://issuer.example",
        "client",
        keys_secret="keys",
        calls_queue_url=endpoint,
        public_url="https://media.example",
    )
    return {
        **of_function(settings, at),
        **of_keys_function("keys", {"media": "media", "authorizer": "authorizer", "reader": "reader"}),
        **of_console_function("console"),
        **of_canary_function(stage_settings("local", {"canary_tenant": "demo"}), endpoint, "canary"),
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "PATH": os.environ["PATH"],
    }


@pytest.mark.parametrize("name", ["lambda", "lambda-models"])
def test_every_handler_begins_with_its_bundle_and_the_runtime_alone(name: str, bundles: dict[str, Path], runtime: Path) -> None:
    with secrets_manager() as endpoint:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _IMPORT, str(bundles[name]), str(runtime), *handlers()[name]],
            env=environment(endpoint),
            cwd=bundles[name],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr[-2000:]
    imported = set(done.stdout.split())
    assert imported.isdisjoint({"tests", "local", "media_plane", "infra", "numpy"})
    assert ("google" in imported) == (name == "lambda-models")


def test_a_bundle_holds_our_two_packages_and_its_wheels_only(bundles: dict[str, Path]) -> None:
    for name, folder in bundles.items():
        held = {one.name for one in folder.iterdir()}
        assert held.isdisjoint({"tests", "local", "media_plane", "infra", "tenants", "boto3", "botocore", "bin"})
        assert ("google" in held) == (name == "lambda-models")
        assert {"nexus", "control_plane"} <= held
        size_mb = sum(one.stat().st_size for one in folder.rglob("*") if one.is_file()) / 1e6
        assert size_mb < 120, "Lambda takes 250 MB, and unpacks every byte at a cold start"


def test_production_gets_wheels_for_its_own_machine(tmp_path: Path) -> None:
    Bundle("lambda", platform_of(stage_settings("dev"))).build(tmp_path)
    libraries = {one.name for one in tmp_path.rglob("*.so")}
    assert libraries
    assert [one for one in libraries if "x86_64" in one or "cpython-311" in one] == []
    assert any(one.endswith("cpython-313-aarch64-linux-gnu.so") for one in libraries)


def test_stages_say_where_their_functions_run() -> None:
    local, prod = platform_of(stage_settings("local")), platform_of(stage_settings("prod"))
    assert (prod.python, prod.wheels) == ("3.13", "aarch64-manylinux_2_28")
    assert local.python == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_digest_is_of_lock_and_platform_too() -> None:
    local, prod = platform_of(stage_settings("local")), platform_of(stage_settings("prod"))
    digests = {Bundle(name, platform).digest() for name in ("lambda", "lambda-models") for platform in (local, prod)}
    assert len(digests) == 4


def test_functions_run_the_versions_that_the_tests_ran() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (REPOSITORY / "requirements" / f"{name}.txt").read_text().splitlines()
        return dict(line.split(" ")[0].split("==") for line in lines if "==" in line and not line.startswith((" ", "#")))

    tested = pins("dev")
    for name in ("lambda", "lambda-models", "infra"):
        assert {one: version for one, version in pins(name).items() if tested.get(one) != version} == {}


def test_the_command_of_cdk_is_locked_and_names_no_registry() -> None:
    lock = json.loads((REPOSITORY / "infra" / "package-lock.json").read_text())
    wanted = json.loads((REPOSITORY / "infra" / "package.json").read_text())["devDependencies"]
    assert lock["packages"]["node_modules/aws-cdk"]["version"] == wanted["aws-cdk"]
    assert all("resolved" not in one for one in lock["packages"].values())
