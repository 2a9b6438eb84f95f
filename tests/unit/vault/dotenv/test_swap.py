from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from app_integration.secret import Secret
from vault.declare import load
from vault.declare.schema.secret_sources import Given
from vault.dotenv import parse, swap
from vault.dotenv.choices import Choices
from vault.dotenv.declared_variables import DeclaredVariables, declared_variables
from vault.dotenv.deployment_secrets import Provided
from vault.dotenv.plan import ImportPlan, build_import_plan
from vault.dotenv.proof import ValuesDiffer

FOLDER = Path(__file__).parents[3] / "faults" / "dotenv"
SCOPE = Scope("shop", Environment.DEV)
DECLARED = declared_variables(load.load(FOLDER / "declaration", template_root=FOLDER), SCOPE)
OLD = "# Ours\nPORT=80\nDB_PASSWORD=hunter22\nBASE_URL=https://shop.example.com\n"
NEW = "# Ours\nPORT=80\nBASE_URL=https://shop.example.com\n"
EXAMPLE = (
    "# Written by strongroom import-env: the variables of shop.\n"
    'PORT="80"\n'
    'BASE_URL="https://shop.example.com"\n'
    "\n# Secrets live on the server; an application reads them by these names.\n"
    '# DATABASE_URL: get_secret("database-url")\n'
    '# DB_PASSWORD: get_secret("db-password")\n'
    '# JWT_SECRET: get_secret("jwt-secret")\n'
)


class Killed(BaseException):
    """An exception that stands for a kill of the process."""


@pytest.fixture
def env(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(OLD)
    path.chmod(0o640)
    return path


def planned(path: Path, **options: Any) -> ImportPlan:
    return build_import_plan(parse.read(path), DECLARED, **options)


def check(plan: ImportPlan) -> None:
    swap.check(plan.file, has_secrets=plan.has_secrets)


def quiet(line: str) -> None:
    assert "hunter" not in line


def reads(**values: str) -> dict[str, Secret]:
    return {name.replace("_", "-"): Secret(value) for name, value in values.items()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_swap_keeps_a_private_backup_and_writes_the_settings(env: Path) -> None:
    assert swap.swap(planned(env), quiet)
    kept = swap.backup_path(env)
    assert (kept.name, kept.read_text(), mode(kept)) == (".env.before-strongroom", OLD, 0o600)
    assert (env.read_text(), mode(env)) == (NEW, 0o640)
    example = env.with_name(".env.example")
    assert (example.read_text(), mode(example)) == (EXAMPLE, 0o644)
    assert len(list(env.parent.iterdir())) == 3


def test_second_swap_writes_nothing(env: Path) -> None:
    swap.swap(planned(env), quiet)
    before = {path: path.stat().st_mtime_ns for path in env.parent.iterdir()}
    plan = planned(env)
    check(plan)
    assert not swap.swap(plan, quiet)
    assert {path: path.stat().st_mtime_ns for path in env.parent.iterdir()} == before


@pytest.mark.parametrize("call", range(1, 8))
def test_failure_at_any_step_leaves_whole_files_and_a_rerun_completes(env: Path, call: int) -> None:
    real, calls = os.fsync, iter(range(1, 100))

    def fsync(descriptor: int) -> None:
        if next(calls) == call:
            raise Killed
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        try:
            swap.swap(planned(env), quiet)
        except Killed:
            pass
        else:
            assert call > 6
    assert env.read_text() in {OLD, NEW}
    if env.read_text() == NEW:
        assert swap.backup_path(env).read_text() == OLD
    plan = planned(env)
    check(plan)
    swap.swap(plan, quiet)
    assert env.read_text() == NEW
    assert swap.backup_path(env).read_text() == OLD
    assert env.with_name(".env.example").read_text() == EXAMPLE
    assert len(list(env.parent.iterdir())) == 3


def test_swap_of_a_changed_file_is_rejected(env: Path) -> None:
    plan = planned(env)
    env.write_text(OLD + "NEW=1\n")
    with pytest.raises(ConfigurationError, match="changed while it was imported"):
        swap.swap(plan, quiet)
    assert list(env.parent.iterdir()) == [env]


def test_foreign_example_is_backed_up(env: Path) -> None:
    env.with_name(".env.example").write_text("# PORT: where it listens\n")
    swap.swap(planned(env), quiet)
    backup = env.with_name(".env.example.before-strongroom")
    assert backup.read_text() == "# PORT: where it listens\n"
    assert env.with_name(".env.example").read_text() == EXAMPLE


def test_file_of_settings_gets_an_example_and_is_unchanged(env: Path) -> None:
    env.write_text(NEW)
    assert swap.swap(planned(env), quiet)
    assert env.read_text() == NEW
    assert not swap.backup_path(env).exists()


def test_unfinished_earlier_import_is_rejected(env: Path) -> None:
    swap.swap(planned(env), quiet)
    env.write_text("DB_PASSWORD=hunter23\n")
    with pytest.raises(
        ConfigurationError, match="complete that one with --finish, and if it keeps values"
    ):
        check(planned(env))


def test_import_of_the_example_is_rejected(env: Path) -> None:
    example = env.rename(env.with_name(".env.example"))
    with pytest.raises(ConfigurationError, match=r"pass the \.env file itself"):
        check(planned(example))


def test_backup_that_git_does_not_ignore_is_rejected(env: Path) -> None:
    subprocess.run(["git", "init", "--quiet", env.parent], check=True)  # noqa: S607 (git is found by PATH)
    with pytest.raises(ConfigurationError) as caught:
        check(planned(env))
    remedy = f"add .env.before-strongroom to {env.parent / '.gitignore'}"
    assert str(caught.value).endswith(remedy)
    env.with_name(".gitignore").write_text(".env.before-strongroom\n")
    check(planned(env))


def finish(env: Path, provided: Provided | None = None, **values: str) -> bool:
    found = reads(**values)
    return swap.finish(env, DECLARED, found.__getitem__, quiet, provided)


def test_finish_deletes_the_verified_backup(env: Path) -> None:
    swap.swap(planned(env), quiet)
    assert finish(env, db_password="hunter22")
    assert sorted(path.name for path in env.parent.iterdir()) == [".env", ".env.example"]
    assert not finish(env)


def test_finish_keeps_a_backup_with_other_values(env: Path) -> None:
    swap.swap(planned(env), quiet)
    with pytest.raises(ValuesDiffer) as caught:
        finish(env, db_password="hunter23")
    assert str(caught.value) == (
        f"the server's value differs from the file's for db-password; {env}.before-strongroom "
        "stays; if they were changed on purpose, delete it yourself"
    )
    assert swap.backup_path(env).read_text() == OLD


def test_finish_keeps_only_the_values_that_the_deployment_has_replaced(env: Path) -> None:
    provided = Provided({"db-password": Secret("of-this-machine")})
    swap.swap(planned(env, provided=provided), quiet)
    assert env.read_text() == NEW
    values = reads(db_password="of-this-machine")
    said: list[str] = []
    for _ in range(2):
        assert swap.finish(env, DECLARED, values.__getitem__, said.append, provided)
        backup = swap.backup_path(env)
        assert backup.read_text() == 'DB_PASSWORD="hunter22"\n'
        assert backup.stat().st_mode & 0o777 == 0o600
    assert "keeps DB_PASSWORD only" in said[-1]
    assert "hunter22" not in "".join(said)


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (f"{NEW}DB_PASSWORD=hunter22\njwtSecret=hunter33\n", "DB_PASSWORD, jwtSecret"),
        (OLD, "DB_PASSWORD"),
    ],
    ids=["exported", "backup"],
)
def test_finish_names_secrets_that_are_in_the_file_again(env: Path, now: str, names: str) -> None:
    swap.swap(planned(env), quiet)
    env.write_text(now)
    with pytest.raises(ConfigurationError) as caught:
        finish(env, db_password="hunter22")
    assert str(caught.value) == (
        f"{env} has secrets again: {names}; move {env}.before-strongroom elsewhere, or delete it "
        f"if you need its values no more, and import {env} again before --finish"
    )
    assert swap.backup_path(env).read_text() == OLD


def test_finish_keeps_a_backup_with_a_variable_that_would_be_lost(env: Path) -> None:
    swap.swap(planned(env), quiet)
    env.write_text("BASE_URL=https://shop.example.com\n")
    with pytest.raises(ConfigurationError, match="PORT would be lost"):
        finish(env, db_password="hunter22")
    assert swap.backup_path(env).exists()


MIXED = "# Ours\ndbPassword=hunter22\nDATABASE_URL='a b'  # mine\n2fa-pin=hunter3\nbaseUrl=x\n"


def test_skipped_and_mapped_variables_survive_swap_and_finish(env: Path) -> None:
    env.write_text(MIXED)
    choices = Choices(skipped=frozenset({"DATABASE_URL", "2fa-pin"}))
    swap.swap(planned(env, choices=choices), quiet)
    assert env.read_text() == MIXED.replace("dbPassword=hunter22\n", "")
    example = swap.example_path(env).read_text()
    assert 'baseUrl="x"\n' in example
    assert '# DB_PASSWORD: get_secret("db-password")\n' in example
    assert finish(env, db_password="hunter22")
    assert not swap.backup_path(env).exists()


def test_finish_compares_a_mapped_variable_with_the_server(env: Path) -> None:
    env.write_text("dbPassword=hunter22\n")
    swap.swap(planned(env), quiet)
    with pytest.raises(ValuesDiffer, match="db-password"):
        finish(env, db_password="hunter23")
    assert swap.backup_path(env).exists()


def test_finish_keeps_a_replaced_value_under_the_files_name(env: Path) -> None:
    swap.backup_path(env).write_text("databaseUrl=postgres://ada:hunter22@db/shop\n")
    env.write_text("")
    finish(env, Provided({"database-url": None}), database_url="postgres://own")
    assert swap.backup_path(env).read_text().startswith("databaseUrl=")


ACCOUNT = "PGHOST=db\nPGUSER=ada\nPGPASSWORD='hunter22'\nEMAIL_HOST=mail\nEMAIL_HOST_PASSWORD=x\n"
LOCAL = Provided({"database-url": None, "email-host-password": None})


def test_parts_of_an_account_leave_the_file_and_the_mail_server_is_this_machines(env: Path) -> None:
    env.write_text(f"# at db\n{ACCOUNT}")
    given = Given(source="given")
    declared = DeclaredVariables(SCOPE, {"DATABASE_URL": ("database-url", given)}, {}, {})
    file = parse.read(env)
    plan = build_import_plan(file, declared, provided=LOCAL)
    said: list[str] = []
    assert swap.swap(plan, said.append, {"email-host": "127.0.0.1"})
    assert env.read_text() == '# at db\nEMAIL_HOST="127.0.0.1"\n'
    assert "EMAIL_HOST is 127.0.0.1" in said[-2]
    declared = replace(declared, settings={"EMAIL_HOST": "email-host"})
    secrets = {**declared.secrets, "EMAIL_HOST_PASSWORD": ("email-host-password", given)}
    declared = replace(declared, secrets=secrets)
    values = reads(database_url="postgres://local", email_host_password="own")
    assert swap.finish(env, declared, values.__getitem__, said.append, LOCAL)
    assert swap.backup_path(env).read_text() == (
        'EMAIL_HOST_PASSWORD="x"\nPGHOST="db"\nPGUSER="ada"\nPGPASSWORD="hunter22"\n'
    )
