from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from app_integration.errors import (
    AuditFailed,
    ConfigurationError,
    InvalidName,
    SecretNotFound,
    Unreachable,
)
from app_integration.names import Environment, Scope
from app_integration.observability.audit_log import AuditLog
from app_integration.observability.audit_sinks import Sink
from app_integration.secret import Secret
from vault.declare import load
from vault.dotenv import parse
from vault.dotenv.export import Exported, export
from vault.dotenv.split_accounts import find_databases
from vault.dotenv.text import remove_secrets

FOLDER = Path(__file__).parents[3] / "faults" / "dotenv"
DECLARATION = load.load(FOLDER / "declaration", template_root=FOLDER)
SCOPE = Scope("shop", Environment.DEV)
VALUES = {"database-url": "postgresql://shop:a%22@h/shop", "db-password": 'a"\\\n${PATH}'}


def read(name: str) -> Secret:
    if name not in VALUES:
        raise SecretNotFound(f"{name} holds no value")
    return Secret(VALUES[name])


def exported(
    path: Path,
    *,
    reason: str = "roll back",
    read: Callable[[str], Secret] = read,
    sink: Sink = lambda _: None,
) -> Exported:
    audit = AuditLog(SCOPE, sink, clock=lambda: 0.0)
    return export(DECLARATION, SCOPE, read=read, audit=audit, path=path, reason=reason)


def test_export_writes_secrets_and_settings_byte_for_byte(tmp_path: Path) -> None:
    done = exported(tmp_path / "back.env")
    assert done == Exported(tmp_path / "back.env", ("database-url", "db-password"), ("jwt-secret",))
    assert dotenv_values(done.path) == {
        "DATABASE_URL": VALUES["database-url"],
        "DB_PASSWORD": VALUES["db-password"],
        "BASE_URL": "https://shop.example.com",
    }
    assert "# JWT_SECRET has no value\n" in done.path.read_text()
    assert stat.S_IMODE(done.path.stat().st_mode) == 0o600


def test_parts_of_the_database_without_their_sign_of_a_comment_set_the_same(tmp_path: Path) -> None:
    path = exported(tmp_path / "back.env").path
    path.write_text(path.read_text().replace("# DB_", "PG_"))
    values = {name: text for name, text in dotenv_values(path).items() if name.startswith("PG_")}
    assert values == {
        "PG_HOST": "h",
        "PG_PORT": "5432",
        "PG_NAME": "shop",
        "PG_USER": "shop",
        "PG_PASSWORD": 'a"',
    }
    assert next(find_databases(parse.read(path), ())).is_at(VALUES["database-url"])


def test_url_without_a_password_has_no_parts(tmp_path: Path) -> None:
    path = exported(tmp_path / "back.env", read=lambda _: Secret("postgresql://h/shop")).path
    assert "# DB_" not in path.read_text()


def test_audit_record_with_the_reason_precedes_the_file(tmp_path: Path) -> None:
    path, lines = tmp_path / "back.env", list[dict[str, Any]]()

    def sink(line: str) -> None:
        assert not path.exists()
        lines.append(json.loads(line))

    exported(path, reason="  roll back ", sink=sink)
    [record] = lines
    assert record["operation"] == "export-env"
    assert record["reason"] == "roll back"
    assert record["secrets"] == ["database-url", "db-password"]
    assert record["file"] == str(path)


def test_failed_audit_record_leaves_no_file(tmp_path: Path) -> None:
    def full(line: str) -> None:
        raise OSError(28, "No space left on device", line)

    with pytest.raises(AuditFailed):
        exported(tmp_path / "back.env", sink=full)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reason", ["", " \n"])
def test_export_without_a_reason_reads_nothing(tmp_path: Path, reason: str) -> None:
    read_names: list[str] = []

    def counted(name: str) -> Secret:
        read_names.append(name)
        return read(name)

    with pytest.raises(ConfigurationError, match="requires a reason"):
        exported(tmp_path / "back.env", reason=reason, read=counted)
    assert not read_names


def test_only_an_earlier_export_is_overwritten(tmp_path: Path) -> None:
    exported(tmp_path / "back.env")
    exported(tmp_path / "back.env")
    (tmp_path / ".env").write_text("PORT=80\n")
    with pytest.raises(ConfigurationError, match="was not written by an export"):
        exported(tmp_path / ".env")
    assert (tmp_path / ".env").read_text() == "PORT=80\n"


def test_imported_export_holds_no_secret_and_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    exported(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))  # as an editor may store it
    file = parse.read(path)
    left = remove_secrets(file, ["DATABASE_URL", "DB_PASSWORD"])
    assert "secret" not in left
    path.write_text(left)
    with pytest.raises(ConfigurationError, match="was not written by an export"):
        exported(path)


def test_missing_folder_and_dangling_link_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        exported(tmp_path / "absent" / "back.env")
    (tmp_path / "link.env").symlink_to("absent")
    with pytest.raises(ConfigurationError, match="was not written by an export"):
        exported(tmp_path / "link.env")


@pytest.mark.parametrize(("ignored", "tracked"), [(False, False), (True, False), (True, True)])
def test_file_that_git_does_not_ignore_is_rejected(
    tmp_path: Path, *, ignored: bool, tracked: bool
) -> None:
    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True)  # noqa: S607 (as above: PATH)

    git("init", "--quiet")
    (tmp_path / ".gitignore").write_text("*.env\n" if ignored else "")
    if tracked:
        exported(tmp_path / "back.env")
        git("add", "--force", "back.env")
    if ignored and not tracked:
        assert exported(tmp_path / "back.env").secrets
        return
    with pytest.raises(ConfigurationError, match="git may commit"):
        exported(tmp_path / "back.env")


@pytest.mark.parametrize("value", ["a\0b", "a\ud800b"])
def test_value_that_a_variable_cannot_contain_is_rejected(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidName, match="database-url"):
        exported(tmp_path / "back.env", read=lambda _: Secret(value))
    assert not list(tmp_path.iterdir())


def test_unreachable_server_leaves_no_file(tmp_path: Path) -> None:
    def unreachable(name: str) -> Secret:
        raise Unreachable(f"{name} cannot be read")

    with pytest.raises(Unreachable):
        exported(tmp_path / "back.env", read=unreachable)
    assert not list(tmp_path.iterdir())
