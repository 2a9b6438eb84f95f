"""Encrypted files on a real server: the SDK's functions, and the commands of host and operator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyrage
import pytest

from app_integration import decrypt_file, encrypt_file, open_encrypted
from app_integration._internal.private_file import write_private
from app_integration.errors import AccessDenied, DecryptionFailed
from tests.support.models.file_parts import IDENTITY, RECIPIENT, sample
from tests.support.processes.command import run_command
from tests.support.servers.deployment import Deployment

pytestmark = pytest.mark.requires("embedded")

CONTENT = sample(300_000)
SERVICE = ("--service", "gaara-store", "--env", "dev")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    path = tmp_path / "plain"
    path.write_bytes(CONTENT)
    return path


def host(
    deployment: Deployment, *arguments: str | Path, stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command of ``python -m app_integration`` with the store's variables."""
    return subprocess.run(
        [sys.executable, "-m", "app_integration", *map(str, arguments)],
        env={**os.environ, **deployment.variables, **variables},
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.usefixtures("default_client_on_server")
def test_functions_round_trip_and_bind_the_context(plain: Path, tmp_path: Path) -> None:
    sealed, opened = tmp_path / "sealed", tmp_path / "opened"
    encrypt_file(plain, sealed, context={"of": "export"})
    decrypt_file(sealed, opened, context={"of": "export"})
    assert opened.read_bytes() == CONTENT
    with pytest.raises(DecryptionFailed):
        decrypt_file(sealed, tmp_path / "other", context={"of": "backup"})
    assert not (tmp_path / "other").exists()


@pytest.mark.usefixtures("default_client_on_server")
def test_open_encrypted_writes_and_reads_at_an_offset(tmp_path: Path) -> None:
    with open_encrypted(tmp_path / "sealed", "wb", context={"of": "export"}) as file:
        file.write(CONTENT)
    with open_encrypted(tmp_path / "sealed", context={"of": "export"}) as reader:
        reader.seek(270_000)
        assert reader.read(100) == CONTENT[270_000:270_100]


@pytest.mark.usefixtures("default_client_on_server")
def test_key_that_the_service_may_only_encrypt_with_is_for_others(
    plain: Path, tmp_path: Path
) -> None:
    encrypt_file(plain, tmp_path / "sealed", key="audit")
    with pytest.raises(AccessDenied, match="transit/decrypt/gaara-store-dev-audit"):
        decrypt_file(tmp_path / "sealed", tmp_path / "opened")
    assert not (tmp_path / "opened").exists()


@pytest.mark.usefixtures("default_client_on_server")
def test_encrypt_file_with_an_undeclared_key_leaves_no_file(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied):
        encrypt_file(plain, tmp_path / "sealed", key="other")
    assert [each.name for each in tmp_path.iterdir()] == ["plain"]


def test_host_commands_with_pipes_round_trip(deployment: Deployment) -> None:
    sealed = host(deployment, "encrypt-file", "-", "--context", "of=export", stdin=CONTENT)
    assert sealed.returncode == 0, sealed.stderr
    opened = host(deployment, "decrypt-file", "-", "--context", "of=export", stdin=sealed.stdout)
    assert opened.stdout == CONTENT
    cut = host(deployment, "decrypt-file", "-", "--context", "of=export", stdin=sealed.stdout[:-1])
    assert cut.returncode == 1
    assert CONTENT.startswith(cut.stdout)
    assert b"standard input: the file is not authentic" in cut.stderr


def test_host_commands_with_files_keep_an_existing_target(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    assert host(deployment, "encrypt-file", plain, sealed).returncode == 0
    before = sealed.read_bytes()
    again = host(deployment, "encrypt-file", plain, sealed)
    assert (again.returncode, sealed.read_bytes()) == (1, before)
    assert b"--force" in again.stderr
    assert host(deployment, "encrypt-file", plain, sealed, "--force").returncode == 0
    assert sealed.read_bytes() != before


def test_host_command_describes_a_file_without_a_server(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    host(
        deployment, "encrypt-file", plain, sealed, "--context", "of=export", "--recipient", "audit"
    )
    shown = host(deployment, "inspect-file", sealed, VAULT_ADDR="", ENVIRONMENT="")
    assert json.loads(shown.stdout) == {
        "body": "chunks",
        "bytes": len(CONTENT),
        "context": {"service": "gaara-store", "environment": "dev", "of": "export"},
        "recipients": ["gaara-store/dev/pii", "gaara-store/dev/audit"],
        "key_versions": {"gaara-store/dev/pii": 1, "gaara-store/dev/audit": 1},
        "damaged": False,
    }


def test_host_command_without_a_server_decrypts_with_the_break_glass_key(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    identity = pyrage.x25519.Identity.generate()
    write_private(tmp_path / "identity", f"# comment\n{identity}\n")
    sealed = tmp_path / "sealed"
    public = str(identity.to_public())
    assert host(deployment, "encrypt-file", plain, sealed, "--recipient", public).returncode == 0
    given = ("--identity", str(tmp_path / "identity"), "--service", "gaara-store", "--env", "dev")
    opened = subprocess.run(
        [sys.executable, "-m", "app_integration", "decrypt-file", str(sealed), *given],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    assert opened.stdout == CONTENT


@pytest.fixture
def rewrap_allowed(deployment: Deployment) -> Iterator[None]:
    """Let the store rewrap with its key, as ``allow: [..., rewrap]`` does."""
    name = "gaara-store-dev"
    before = deployment.operator.get(f"sys/policies/acl/{name}")["data"]["policy"]
    rule = f'path "transit/rewrap/{name}-pii" {{ capabilities = ["update"] }}'
    deployment.operator.post(f"sys/policies/acl/{name}", {"policy": f"{before}\n{rule}\n"})
    yield
    deployment.operator.post(f"sys/policies/acl/{name}", {"policy": before})


@pytest.mark.usefixtures("rewrap_allowed")
def test_rewrap_file_moves_a_file_to_the_newest_version_of_its_key(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    assert host(deployment, "encrypt-file", plain, sealed).returncode == 0
    before = sealed.read_bytes()
    deployment.operator.post("transit/keys/gaara-store-dev-pii/rotate", {})
    done = host(deployment, "rewrap-file", sealed)
    assert done.returncode == 0, done.stderr
    after = sealed.read_bytes()
    assert after[4096:] == before[4096:]
    assert after[:4096] != before[:4096]
    assert host(deployment, "decrypt-file", sealed).stdout == CONTENT


@pytest.mark.usefixtures("rewrap_allowed")
def test_rewrap_file_moves_the_files_after_a_damaged_and_a_missing_one(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    damaged, missing, sealed = (tmp_path / name for name in ("damaged", "missing", "sealed"))
    damaged.write_bytes(CONTENT)
    assert host(deployment, "encrypt-file", plain, sealed).returncode == 0
    before = sealed.read_bytes()
    deployment.operator.post("transit/keys/gaara-store-dev-pii/rotate", {})
    done = host(deployment, "rewrap-file", damaged, missing, sealed)
    assert sealed.read_bytes() != before
    assert done.returncode == 1
    shown = done.stderr.decode()
    assert f"{damaged}: the file is not authentic" in shown
    assert f"{missing}: No such file or directory\n1 of 3 files were rewrapped" in shown


def test_rewrap_file_without_the_permission_names_the_rule(
    deployment: Deployment, plain: Path, tmp_path: Path
) -> None:
    sealed = tmp_path / "sealed"
    host(deployment, "encrypt-file", plain, sealed)
    before = sealed.read_bytes()
    done = host(deployment, "rewrap-file", sealed)
    assert done.returncode == 1
    assert b"transit/rewrap/gaara-store-dev-pii" in done.stderr
    assert sealed.read_bytes() == before


def test_commands_of_the_operator_round_trip(
    deployment: Deployment, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed, opened = tmp_path / "sealed", tmp_path / "opened"
    root = ("--root", str(deployment.layout.root))
    for variable in deployment.variables:
        monkeypatch.delenv(variable, raising=False)
    arguments = (str(plain), str(sealed), *SERVICE, "--recipient", RECIPIENT)
    assert run_command(monkeypatch, "encrypt-file", *arguments, *root) == 0
    assert run_command(monkeypatch, "decrypt-file", str(sealed), str(opened), *SERVICE, *root) == 0
    assert opened.read_bytes() == CONTENT
    write_private(tmp_path / "identity", IDENTITY)
    again = (str(sealed), str(tmp_path / "again"), *SERVICE, "--identity", f"{tmp_path}/identity")
    assert run_command(monkeypatch, "decrypt-file", *again) == 0
    assert (tmp_path / "again").read_bytes() == CONTENT
