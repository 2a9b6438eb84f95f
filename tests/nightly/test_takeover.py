"""Deployment of an earlier commit, taken over by this version while it runs or is stopped."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes.shell import ROOT, Shell

pytestmark = [pytest.mark.nightly, pytest.mark.requires("embedded"), pytest.mark.timeout(600)]

#: The last commit before stored things had format numbers.
EARLIER = "2fc0909"
HEAD = """
import json, sys
import app_integration as sdk
from app_integration.encryption.blind_index.stores.table import TableIndexKeys
from app_integration.encryption.keys.stores.table import TableDataKeys

CONTEXT = {"user_id": 7}
data_keys, index_keys = TableDataKeys(sdk.database_engine()), TableIndexKeys(sdk.database_engine())
"""
WRITE = f"""{HEAD}
found = {{"text": sdk.encrypt_field("ada@example.com", context=CONTEXT)}}
data_keys.create()
sdk.use_data_keys(data_keys)
found["keyring"] = sdk.encrypt_field("ada@example.com", context=CONTEXT).hex()
index_keys.create()
sdk.use_index_keys(index_keys)
email = sdk.declare_index("users.email", rows=1_000_000, normalise="email")
email.create()
found["index"] = sdk.blind_index("users.email", "ada@example.com").hex()
print(json.dumps(found))
sdk.close()
"""
READ = f"""{HEAD}
written = json.load(sys.stdin)
sdk.use_data_keys(data_keys)
sdk.use_index_keys(index_keys)
sdk.declare_index("users.email", rows=1_000_000, normalise="email")
with sdk.database_engine().connect() as connection:
    user = connection.exec_driver_sql("select session_user").scalar()
print(json.dumps({{
    "secret": sdk.get_secret("smtp-password").reveal() == "written-before",
    "text": sdk.decrypt_field(written["text"], context=CONTEXT),
    "keyring": sdk.decrypt_field(bytes.fromhex(written["keyring"]), context=CONTEXT),
    "index": sdk.blind_index("users.email", "ada@example.com").hex() == written["index"],
    "leased": user.startswith("v-approle-gaara-st-"),
}}))
sdk.close()
"""


@pytest.fixture
def earlier(tmp_path: Path) -> Iterator[Shell]:
    """Yield the command of the earlier commit, on a deployment of its own, which is erased."""
    command = ["git", "archive", EARLIER]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"this clone does not contain the commit {EARLIER}")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(tmp_path / "earlier", filter="data")
    (tmp_path / "earlier" / ".venv").symlink_to(sys.prefix)
    shell = Shell(tmp_path / ".strongroom", project=tmp_path / "earlier")
    yield shell
    shell("reset", "--yes")


def run_application(project: Path, deployment: Shell, code: str, typed: str = "") -> dict[str, Any]:
    """Run *code* as the application, with the SDK in *project*, and return what it prints."""
    lines = (deployment.layout.root / "env" / "gaara-store.env").read_text().splitlines()[1:]
    pairs = [line.split("=", 1) for line in lines]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env={name: shlex.split(text)[0] for name, text in pairs},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("stopped", [False, True])
def test_deployment_of_an_earlier_version_is_taken_over(earlier: Shell, *, stopped: bool) -> None:
    assert earlier("up").returncode == 0
    put = ("put", "smtp-password", "--service", "gaara-store", "--env", "dev")
    assert earlier(*put, typed="written-before").returncode == 0
    old_project = earlier.layout.root.parent / "earlier"
    written = run_application(old_project, earlier, WRITE)
    if stopped:
        assert earlier("down").returncode == 0
    assert not earlier.layout.format.exists()
    now = earlier.another()
    for command in (("up",), ("plan", "--env", "dev"), ("status",)):
        done = now(*command)
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert now.layout.format.read_text() == "1\n"
    # The earlier SDK too, because the tool is upgraded before the applications.
    for project in (old_project, ROOT):
        assert run_application(project, now, READ, json.dumps(written)) == {
            "secret": True,
            "text": "ada@example.com",
            "keyring": "ada@example.com",
            "index": True,
            "leased": True,
        }
    assert now("down").returncode == 0
    # The format is the same, so that the earlier version may be installed again.
    assert earlier("up").returncode == 0
    assert earlier("plan", "--env", "dev").returncode == 0
