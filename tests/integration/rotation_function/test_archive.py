"""The function as ``strongroom aws rotation-function`` writes it, run as Lambda runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from importlib.metadata import requires
from pathlib import Path
from typing import Final
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from aws.function_archive import build_archive, list_requirements
from aws.rotation.rotation import Step
from console.target.checkout import DECLARATION
from console.views.output_files import BUILD
from tests.support.models.aws_declared import declare_on_aws
from tests.support.models.aws_rotated import declare_rotated
from tests.support.processes.command import CommandLine, run_command
from tests.support.servers.moto_server import IDENTITY, MotoServer
from tests.support.servers.rotation_site import USERS, RotatedSecret, user_of

pytestmark = pytest.mark.requires("embedded")

#: What Lambda's Python has besides the standard library.
RUNTIME: Final = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")
LAYER: Final = ("psycopg", "psycopg_binary", "psycopg_binary.libs", "tenacity")
TYPING: Final = "typing_extensions.py"
#: Runs each event from standard input, and prints the names of what was imported.
PROGRAM: Final = """
import importlib, json, sys
sys.path[:] = [each for each in sys.path if "site-packages" not in each] + sys.argv[1:]
handler = importlib.import_module("aws.rotation.handler").handler
for event in json.load(sys.stdin):
    handler(event, None)
"""


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Return the archive, and a folder with what Lambda and the layer have."""
    archive = tmp_path / "rotation.zip"
    archive.write_bytes(build_archive())
    layer, installed = tmp_path / "layer", Path(sysconfig.get_path("purelib"))
    layer.mkdir()
    for name in (*RUNTIME, *LAYER, TYPING):
        (layer / name).symlink_to(installed / name)
    return [str(archive), str(layer)]


def test_archive_rotates_a_database_url_in_a_process_of_its_own(
    secret: RotatedSecret, moto: MotoServer, paths: list[str]
) -> None:
    token = secret.begin()
    events = [
        {"Step": step.value, "SecretId": secret.name, "ClientRequestToken": token} for step in Step
    ]
    environ = {**IDENTITY, "AWS_ENDPOINT_URL": moto.url, "ENVIRONMENT": "dev"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, *paths],
        input=json.dumps(events),
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    logged = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(each["Step"], each["outcome"]) for each in logged] == [
        (step.value, "done") for step in Step
    ]
    assert user_of(secret.value()) == USERS[1]


def test_archive_is_the_same_each_time(tmp_path: Path) -> None:
    first = build_archive()
    assert build_archive() == first
    archive = tmp_path / "rotation.zip"
    archive.write_bytes(first)
    with ZipFile(archive) as opened:
        names = opened.namelist()
    assert names == sorted(names)
    assert {name.split("/")[0] for name in names} == {"app_integration", "aws"}
    assert {name for name in names if name.startswith("aws/") and "rotation" not in name} == {
        "aws/__init__.py"
    }


def test_requirements_are_pinned_within_what_the_sdk_allows() -> None:
    pinned = [Requirement(line) for line in list_requirements().splitlines()]
    assert all(str(each.specifier).startswith("==") for each in pinned)
    allowed = {Requirement(line).name: Requirement(line) for line in requires("strongroom") or ()}
    for each in pinned:
        if each.name in allowed:
            (exact,) = each.specifier
            assert exact.version in allowed[each.name].specifier


def test_command_writes_the_files(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_rotated(tmp_path)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    out = tmp_path / "function"
    arguments = ("rotation-function", "--env", "cloud", "--out", str(out))
    assert run_command(monkeypatch, *arguments) == 0
    assert "handler: aws.rotation.handler.handler" in command_line.capsys.readouterr().out
    assert {each.name for each in out.iterdir()} == {
        BUILD.mark,
        "policy.json",
        "requirements.txt",
        "rotation.zip",
    }
    policy = json.loads((out / "policy.json").read_text())
    assert [each["Sid"] for each in policy["Statement"]] == [
        "ReadVersions",
        "WriteVersions",
        "ReadManagers",
    ]


def test_command_without_a_declared_function_says_so(
    tmp_path: Path, command_line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_on_aws(tmp_path)
    monkeypatch.setenv(DECLARATION, str(tmp_path))
    arguments = ("rotation-function", "--env", "cloud", "--out", str(tmp_path / "function"))
    assert run_command(monkeypatch, *arguments) == 1
    assert "add rotation_function to 'aws'" in command_line.capsys.readouterr().err
    assert not (tmp_path / "function").exists()
