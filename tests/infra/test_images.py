"""The images: what their Dockerfiles may and may not say, and that the very files that the media image holds serve calls."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from urllib.error import HTTPError

import compose_spec
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.constructs.media_task import LIVE_PROBE, safe_probe, server_command, server_environment
from nexus.adapters.aws import AwsStores
from nexus.settings.values import Settings
from scripts.pin_bases import pinned
from scripts.sbom import document
from tests.scenarios.test_aws_media import told
from tests.scenarios.test_killed import free_port

ROOT = Path(__file__).parents[2]
DOCKERFILES = {"Dockerfile.media": {"nexus", "media_plane", "tenants"}, "Dockerfile": {"tenants"}}
"""What of ours the last stage of each image copies from here."""
PIN = f"sha256:{'0' * 64}"


def instructions(name: str) -> list[tuple[str, str]]:
    """Each instruction with its arguments, lines joined, comments left out."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / name).read_text())
    joined = re.sub(r"\\\n\s*", " ", text)
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def last_stage(name: str) -> list[tuple[str, str]]:
    told = instructions(name)
    start = max(number for number, (word, _) in enumerate(told) if word == "FROM")
    return told[start:]


def the(name: str, word: str) -> str:
    (found,) = (rest for one, rest in last_stage(name) if one == word)
    return found


def image_environment(name: str) -> dict[str, str]:
    return dict(one.split("=", 1) for one in the(name, "ENV").split())


@pytest.fixture(params=list(DOCKERFILES))
def dockerfile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_image_is_not_root_and_has_no_shell_in_front(dockerfile: str) -> None:
    assert the(dockerfile, "USER") == "10001:10001"
    assert json.loads(the(dockerfile, "ENTRYPOINT"))  # the exec form: SIGTERM reaches our process
    assert the(dockerfile, "STOPSIGNAL") == "SIGTERM"
    assert last_stage(dockerfile)[-1][0] in ("ENTRYPOINT", "CMD")
    words = [word for word, _ in last_stage(dockerfile)]
    assert words.index("USER") > max(number for number, word in enumerate(words) if word in ("RUN", "COPY"))


def test_bases_are_versions_and_can_be_pinned_by_digest(dockerfile: str) -> None:
    bases = [rest.split()[0] for word, rest in instructions(dockerfile) if word == "FROM"]
    assert len(set(bases)) == 1
    assert all(re.fullmatch(r"python:3\.11-slim-[a-z]+", one) for one in bases)
    now = pinned((ROOT / dockerfile).read_text(), {"python": PIN})
    assert now.count(f"FROM {bases[0]}@{PIN} AS") == 2
    assert pinned(now, {"python": f"sha256:{'1' * 64}"}).count("@") == now.count("@")


@pytest.mark.parametrize("said", [{}, {"python": "latest"}, {"python": "sha256:123"}])
def test_a_base_without_a_digest_is_not_called_pinned(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="digest"):
        pinned((ROOT / "Dockerfile.media").read_text(), said)


def test_only_named_folders_get_in(dockerfile: str) -> None:
    copies = [rest.split() for word, rest in last_stage(dockerfile) if word == "COPY"]
    assert {one[0] for one in copies if not one[0].startswith("--from=build")} == DOCKERFILES[dockerfile]
    assert not any(word == "ADD" for word, _ in instructions(dockerfile))
    sent = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {one for word, rest in instructions(dockerfile) if word == "COPY" and "--from" not in rest for one in rest.split()[:-1]}
    assert copied <= sent
    assert not sent & {".env", ".git", "data", "tests", "infra"}


def test_every_package_is_installed_by_its_hash(dockerfile: str) -> None:
    installs = [part for word, rest in instructions(dockerfile) if word == "RUN" for part in rest.split("&&") if "pip install" in part]
    assert installs
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)


def test_nothing_secret_is_built_in(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text()
    assert not re.search(r"(?i)(token|password|secret|api_key|BEGIN )\s*=", text)
    assert not re.search(r"https?://", text)


def test_variables_are_settings_of_the_code(dockerfile: str) -> None:
    of_python = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "HF_HUB_OFFLINE"}
    assert set(image_environment(dockerfile)) - of_python <= {name.upper() for name in Settings.model_fields}


def test_health_is_the_same_question_as_in_the_cluster() -> None:
    for name in DOCKERFILES:
        command = json.loads(the(name, "HEALTHCHECK").partition("CMD ")[2])
        assert command == ["python", "-c", LIVE_PROBE]


# --- the files themselves ----------------------------------------------------------------------------------------------------


def locked() -> set[str]:
    lines = (ROOT / "requirements" / "media.txt").read_text().splitlines()
    return {line.partition("==")[0].lower() for line in lines if re.match(r"[A-Za-z0-9][\w.-]*==", line)}


def image_folder(folder: Path) -> Path:
    """What ``Dockerfile.media`` copies, and beside it links to the installed packages of its lock, and to no others."""
    app, site = folder / "app", folder / "site"
    for one in DOCKERFILES["Dockerfile.media"]:
        shutil.copytree(ROOT / one, app / one, ignore=shutil.ignore_patterns("__pycache__"))
    site.mkdir()
    for name in sorted(locked()):
        try:
            files = metadata.distribution(name).files or []
        except metadata.PackageNotFoundError:
            continue  # for another platform or Python
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists():
                (site / top).symlink_to(Path(sysconfig.get_path("purelib")) / top)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    return app


_START = """
import runpy, sys
sys.path = [one for one in sys.path if "site-packages" not in one]
sys.path[:0] = [{app!r}, {site!r}]
runpy.run_module("media_plane", run_name="__main__", alter_sys=True)
"""


@contextmanager
def as_in_the_image(env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m media_plane` from those files alone, read-only, as the image's user where this test is root; without ``site``, so
    that this repository's own installation is not found."""
    folder = Path(tempfile.mkdtemp(prefix="nexus-image-"))
    scratch = Path(tempfile.mkdtemp(prefix="nexus-image-tmp-"))
    try:
        folder.chmod(0o755)
        scratch.chmod(0o777)
        app = image_folder(folder)
        drop = ["setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs"] if os.geteuid() == 0 else []
        code = _START.format(app=str(app), site=str(folder / "site"))
        running = subprocess.Popen(
            [*drop, sys.executable, "-S", "-E", "-c", code], env={**env, "TMPDIR": str(scratch), "HOME": str(scratch)}, cwd=app
        )
        try:
            yield running
        finally:
            running.terminate()
            running.wait(30)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
        shutil.rmtree(folder)
        shutil.rmtree(scratch)


def answer(url: str) -> tuple[int, dict[str, object]]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, json.loads(response.read())
    except HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.speech
def test_the_files_of_the_image_take_calls(emulator_stores: AwsStores) -> None:
    """Table and bucket over the emulator, our own ear and voice loaded: ready, from what the image holds and nothing else."""
    port = free_port()
    env = told(emulator_stores, PORT=str(port), ENGINE="cascade")
    del env["PYTHONPATH"]
    given = {**image_environment("Dockerfile.media"), **env}
    given.pop("PYTHONPATH")
    with as_in_the_image({**given, "HOST": "127.0.0.1", "PATH": os.environ["PATH"]}) as running:
        for _ in range(600):
            assert running.poll() is None
            try:
                status, said = answer(f"http://127.0.0.1:{port}/health/ready")
            except OSError:
                subprocess.run(["sleep", "0.1"], check=True)
                continue
            break
        assert (status, said["status"]) == (200, "ready"), said
        running.terminate()
        assert running.wait(30) == 0  # SIGTERM ends it in good order


# --- one host ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def compose() -> dict[str, dict[str, dict[str, object]]]:
    """``compose.yaml`` with each variable's default in its place."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (ROOT / "compose.yaml").read_text())
    return {name: value for name, value in yaml.safe_load(text).items() if not name.startswith("x-")}


def test_the_compose_file_is_one(compose: dict[str, object]) -> None:
    compose_spec.PyCompose.from_json(json.dumps(compose)).validate()


def test_the_check_of_the_compose_file_sees_a_wrong_key(compose: dict[str, object]) -> None:
    wrong = json.loads(json.dumps(compose))
    wrong["services"]["nexus"]["enviroment"] = {}
    with pytest.raises(ValueError, match="enviroment"):
        compose_spec.PyCompose.from_json(json.dumps(wrong)).validate()


def test_two_servers_share_one_gpu_and_load_one_after_the_other(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    servers = [compose["services"][f"personaplex-{one}"] for one in "ab"]
    devices = [server["deploy"]["resources"]["reservations"]["devices"] for server in servers]  # type: ignore[index]
    assert devices[0] == devices[1] == [{"driver": "nvidia", "device_ids": ["0"], "capabilities": ["gpu"]}]
    assert servers[1]["depends_on"] == {"personaplex-a": {"condition": "service_healthy"}}


def test_servers_are_started_and_asked_as_in_the_cluster(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    for one in "ab":
        server = compose["services"][f"personaplex-{one}"]
        assert server["command"] == server_command(8998)
        assert server["healthcheck"]["test"][-1] == safe_probe(8998)  # type: ignore[index]
        everywhere = {key: value for key, value in server_environment(0).items() if key != "NVIDIA_VISIBLE_DEVICES"}
        assert server["environment"] == everywhere


def test_a_server_is_reached_by_nexus_alone(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    for one in "ab":
        assert compose["networks"][one] == {"internal": True}
        members = {name for name, service in compose["services"].items() if one in service["networks"]}  # type: ignore[operator]
        assert members == {f"personaplex-{one}", "nexus", "media"}
        assert "ports" not in compose["services"][f"personaplex-{one}"]
    for service in compose["services"].values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))  # type: ignore[attr-defined]


def test_containers_of_one_host_are_locked_in(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    for name, service in compose["services"].items():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
        assert service.get("read_only", False) is (not name.startswith("personaplex"))


def test_our_services_are_told_settings_and_no_token(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for name in ("nexus", "media"):
        environment = compose["services"][name]["environment"]
        assert set(environment) <= known  # type: ignore[call-overload]
        urls = environment["PERSONAPLEX_WS_URL"].split(",")  # type: ignore[index]
        assert urls == [f"ws://personaplex-{one}:8998/api/chat" for one in "ab"]
    assert "HF_TOKEN" not in (ROOT / "compose.yaml").read_text()


def test_a_stop_waits_for_the_longest_call_of_a_new_tenant(compose: dict[str, dict[str, dict[str, object]]]) -> None:
    for name in ("nexus", "media"):
        assert compose["services"][name]["stop_grace_period"] == "32m"  # half an hour, and its record


# --- what an image holds -----------------------------------------------------------------------------------------------------


def test_the_list_of_packages_is_complete_valid_and_the_same_each_time() -> None:
    lock = (ROOT / "requirements" / "media.txt").read_text()
    text = document(lock, "nexus-media", "0.1.0")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == document(lock, "nexus-media", "0.1.0")
    held = json.loads(text)
    assert {one["name"] for one in held["components"]} == locked()
    assert all(one["hashes"] and one["purl"].startswith("pkg:pypi/") for one in held["components"])
    assert held["metadata"]["component"]["name"] == "nexus-media"


@pytest.mark.parametrize("line", ["boto3>=1.40", "boto3==1.44.5", "-e ."])
def test_what_is_not_pinned_is_not_listed_as_if_it_were(line: str) -> None:
    with pytest.raises(ValueError, match="not pinned"):
        document(f"{line}\n", "x", "1")


@pytest.mark.parametrize(("image", "code"), [("nexus-media:0.1.0", 2), (f"r.example.com/nexus-media@{PIN}", 3)])
def test_an_image_is_signed_by_its_digest_or_not_at_all(image: str, code: int, tmp_path: Path) -> None:
    """Here without syft and cosign: the second gets as far as asking for them."""
    done = subprocess.run(
        ["/bin/sh", ROOT / "scripts" / "image_sbom.sh", image], env={"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
