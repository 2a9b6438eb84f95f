"""Service that ``strongroom new service`` declares."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app_integration._internal.private_file import replace_file
from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import Environment, Scope
from console.commands.every_day.declaration_check import check_repository
from console.commands.start.authoring import write_service
from console.scaffold.new_repository import NewRepository
from console.scaffold.new_service import NewService
from policies.render import render_policies
from tests.support.processes.command import run_command
from vault.declare import repository
from vault.declare.edit import new_service as editor
from vault.declare.errors import DeclarationError
from vault.declare.local_file import FILE
from vault.declare.policy_files import read_tests
from vault.declare.repository import Repository

DEV, PROD = Environment("dev"), Environment("prod")
POSTGRES = "postgres.example.com:5432"


@pytest.fixture
def team(tmp_path: Path) -> Repository:
    """Return a repository with dev and prod, and without services."""
    NewRepository("parcels", "ada", {PROD: "https://vault.example.com:8200"}).write(tmp_path)
    return repository.read(tmp_path)


def test_service_without_a_database_runs_in_every_environment(team: Repository) -> None:
    keys = ["pii", "audit"]
    new = NewService("labels", "ada", "Prints: labels #1", ["signing-key"], ["api-token"], keys)
    assert new.write(team) == {}
    declared = team.load()
    service = declared.service("labels")
    assert service.description == "Prints: labels #1"
    assert {name: source.source for name, source in service.secrets.items()} == {
        "signing-key": "generated",
        "api-token": "given",
    }
    assert {name: set(key.allow) for name, key in service.keys.items()} == {
        "pii": {"encrypt", "decrypt"},
        "audit": {"encrypt"},
    }
    assert [declared.scopes(name) for name in (DEV, PROD)] == [
        (Scope("labels", DEV),),
        (Scope("labels", PROD),),
    ]
    # Its tests expect of each key what its policy grants.
    policy = render_policies(declared, DEV)["labels-dev"]
    tests = [row.test for row in read_tests(team.policies, declared)["labels"]]
    keys_used = [each for each in tests if re.match(r"\{transit\}/(en|de)crypt/", each.path)]
    assert {each.expect for each in keys_used} == {"allow", "deny"}
    for each in keys_used:
        path = each.path.format(transit="transit", environment="dev")
        assert (f'path "{path}"' in policy) == (each.expect == "allow")


def test_service_with_a_database_runs_where_its_server_is_known(team: Repository) -> None:
    assert NewService("labels", "ada", "Prints.", has_database=True).write(team) == {
        "prod": "database: host:port"
    }
    declared = team.load()
    assert declared.scopes(DEV) == (Scope("labels", DEV),)
    assert declared.scopes(PROD) == ()
    second = NewService("routes", "ada", "Plans.", has_database=True, databases={PROD: POSTGRES})
    assert second.write(team) == {}
    assert team.load().scopes(PROD) == (Scope("routes", PROD),)


def test_file_of_the_machine_is_to_be_ignored_by_git(
    team: Repository, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def declare(service: str) -> str:
        folder = tmp_path_factory.mktemp(service)
        new = NewService(service, "ada", "Prints.", application=str(folder))
        (line,) = [each for each in write_service(new, team) if "local.yaml" in each]
        return line

    assert declare("labels").endswith("on this machine"), "no repository of git"
    subprocess.run(["git", "init", "-q", str(team.root)], check=True)  # noqa: S607
    assert declare("parcels").endswith("on this machine")
    (team.root / ".gitignore").write_text("")
    assert "; add strongroom.local.yaml to " in declare("stamps")


def declare_on_aws(team: Repository, environment: str, **aws: Any) -> None:
    account = {"account": "123456789012", "region": "eu-central-1", **aws}
    lines = (f"environment: {environment}", "owner: ada", f"aws: {json.dumps(account)}")
    file = team.declaration / "environments" / f"{environment}.yaml"
    file.write_text("\n".join([*lines, "services: {}", ""]))


def test_service_on_aws_needs_no_address_of_a_database(team: Repository) -> None:
    declare_on_aws(team, "prod")
    assert NewService("labels", "ada", "Prints.", has_database=True).write(team) == {}
    assert team.load().scopes(PROD) == (Scope("labels", PROD),)


def test_service_on_aws_with_monitoring_waits_for_its_roles(team: Repository) -> None:
    topic = "arn:aws:sns:eu-central-1:123456789012:team"
    declare_on_aws(team, "prod", monitoring={"page": topic, "ticket": topic})
    new = NewService("labels", "ada", "Prints.", ["signing-key"])
    (*_, line) = write_service(new, team)
    assert line.endswith("has no entry yet: add 'labels: {iam_roles: [ROLE]}' under services")
    assert team.load().scopes(PROD) == ()
    assert NewService("idle", "ada", "Needs nothing.").write(team) == {}


def test_faulty_file_of_this_machine_is_refused_before_anything_is_written(
    team: Repository,
) -> None:
    (team.root / FILE).write_text("applications: {old: {pyhton: x}}\n")
    before = sorted(team.root.rglob("*"))
    new = NewService("labels", "ada", "Prints.", ["signing-key"], application="../labels")
    with pytest.raises(DeclarationError, match=FILE):
        write_service(new, team)
    assert sorted(team.root.rglob("*")) == before
    assert not (team.root.parent / "labels").exists()


@pytest.mark.parametrize("policy", ["database", None])
def test_new_database_users_get_the_environments_passwords(
    team: Repository, policy: str | None
) -> None:
    file = team.declaration / "environments" / "dev.yaml"
    if policy is None:
        part = "password_policies:\n  database: {length: 32}\n"
        assert part in file.read_text()
        file.write_text(file.read_text().replace(part, ""))
    NewService("labels", "ada", "Prints.", has_database=True).write(team)
    assert team.load().environment(DEV).services["labels"].password_policy == policy


@pytest.mark.parametrize("earlier", [False, True])
def test_new_database_users_outside_dev_get_the_passwords_of_init(
    team: Repository, earlier: bool
) -> None:
    file = team.declaration / "environments" / "prod.yaml"
    if earlier:
        file.write_text(file.read_text().replace("parcels-database:", "database:"))
    databases = {PROD: POSTGRES}
    NewService("labels", "ada", "Prints.", has_database=True, databases=databases).write(team)
    policy = team.load().environment(PROD).services["labels"].password_policy
    assert policy == ("database" if earlier else "parcels-database")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "La bels"},
        {"name": "labels", "generated": ["a: b"]},
        {"name": "labels", "given": ["../x"]},
        {"name": "labels", "keys": ["a\nb"]},
    ],
)
def test_wrong_name_is_refused_before_anything_is_written(
    team: Repository, wrong: dict[str, object]
) -> None:
    values = {"owner": "ada", "description": "Prints.", **wrong}
    with pytest.raises(InvalidName):
        NewService(**values).write(team)  # type: ignore[arg-type] # wrong on purpose
    assert team.load().services == {}


def test_secret_that_is_both_generated_and_given_is_refused(team: Repository) -> None:
    new = NewService("labels", "ada", "Prints.", ["a", "b", "c"], ["c", "d", "a"])
    message = "secrets cannot be both generated and given: a, c; pass one of the two options"
    with pytest.raises(ConfigurationError, match=message):
        new.write(team)
    assert team.load().services == {}


@pytest.mark.parametrize(
    ("backend", "folder", "extras"),
    [("vault", ".strongroom", "config"), ("aws", ".strongroom-aws", "config,aws")],
)
def test_next_steps_name_the_folder_and_the_extras_of_the_backend(
    backend: str,
    folder: str,
    extras: str,
    team: Repository,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(team.root)
    monkeypatch.setenv("SECRETS_BACKEND", backend)
    options = ("--owner", "ada", "--description", "Prints.", "--config", ".")
    assert run_command(monkeypatch, "new", "service", "labels", *options) == 0
    shown = capsys.readouterr().out
    assert f"install strongroom-sdk[{extras}] there\n" in shown
    assert f"set -a; . {team.root / folder / 'env/labels.env'}; set +a\n" in shown
    assert shown.endswith("strongroom sdk-wheel --out vendor/ (see docs/Installing.md)\n")


def test_declared_service_is_refused_by_its_own_file(team: Repository) -> None:
    NewService("labels", "ada", "Prints.").write(team)
    other = NewService("labels", "ada", "Prints all.", ["signing-key"], application=".")
    with pytest.raises(ConfigurationError, match=r"/services/labels\.yaml exists; edit it, or"):
        other.write(team)
    assert not (team.templates / "labels").exists()


def test_database_server_of_an_unknown_environment_is_refused(team: Repository) -> None:
    new = NewService("labels", "ada", "Prints.", databases={Environment("qa"): POSTGRES})
    with pytest.raises(ConfigurationError, match="no environment 'qa' is declared"):
        new.write(team)


def test_config_has_a_template_and_a_model_of_all_secrets(team: Repository) -> None:
    new = NewService(
        "parcel-labels",
        "ada",
        "Prints.",
        ["signing-key"],
        ["a/b", "class"],
        has_database=True,
        application="labels app",
    )
    new.write(team)
    assert check_repository(team).errors == ()
    config = team.load().service("parcel-labels").config
    assert config is not None
    assert (config.model, config.path) == ("parcel_labels_config:ParcelLabelsConfig", "labels app")
    namespace: dict[str, Any] = {}
    assert new.config is not None
    exec(new.config.source(), namespace)  # noqa: S102 (the file that the command writes)
    fields = ["signing_key", "a_b", "secret_class", "database_url"]
    assert list(namespace["ParcelLabelsConfig"].model_fields) == fields
    template = (team.templates / "parcel-labels" / "app.yaml.j2").read_text()
    assert [line.partition(":")[0] for line in template.splitlines()[1:]] == fields


def test_refused_service_leaves_no_template(team: Repository) -> None:
    with pytest.raises(DeclarationError, match="owner is 'no one'"):
        NewService("labels", "no one", "Prints.", application=".").write(team)
    assert list((team.templates / "labels").iterdir()) == []
    assert list(team.policies.glob("*.yaml")) == []
    assert team.load().services == {}


def test_template_of_another_service_is_not_overwritten(team: Repository) -> None:
    (team.templates / "labels").mkdir()
    template = team.templates / "labels" / "app.yaml.j2"
    template.write_text("ours")
    with pytest.raises(ConfigurationError, match=r"app\.yaml\.j2 exists; move it away"):
        NewService("labels", "ada", "Prints.", application=".").write(team)
    assert template.read_text() == "ours"


def test_tests_of_another_service_are_not_overwritten(team: Repository) -> None:
    tests = team.policies / "labels.tests.yaml"
    tests.write_text("ours")
    with pytest.raises(ConfigurationError, match=r"labels\.tests\.yaml exists; move it away"):
        NewService("labels", "ada", "Prints.", application=".").write(team)
    assert tests.read_text() == "ours"
    assert not (team.templates / "labels").exists()


def test_tests_allow_what_is_declared_and_deny_the_secrets_of_others(team: Repository) -> None:
    NewService("labels", "ada", "Prints.", ["signing-key"]).write(team)
    NewService("routes", "ada", "Plans.", [], ["a/b"], ["pii"], has_database=True).write(team)
    assert check_repository(team).errors == ()
    rows = read_tests(team.policies, team.load())["routes"]
    found = [(row.test.expect, row.test.capability, row.test.path) for row in rows]
    assert [each[1:] for each in found if each[0] == "allow"] == [
        ("read", "{kv}/data/routes/{environment}/a/b"),
        ("read", "{kv}/data/routes/{environment}/database-url"),
        ("update", "{transit}/encrypt/routes-{environment}-pii"),
        ("update", "{transit}/decrypt/routes-{environment}-pii"),
        ("read", "{database}/creds/routes-{environment}"),
        ("update", "auth/token/renew-self"),
    ]
    denied = {each[1:] for each in found if each[0] == "deny"}
    assert denied >= {
        ("update", "{kv}/data/routes/{environment}/a/b"),
        ("read", "{kv}/data/labels/{environment}/signing-key"),
        ("update", "sys/policies/acl/routes-{environment}"),
        ("update", "sys/mounts/{kv}"),
    }


def test_template_stays_if_the_service_file_was_written(
    team: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_after_the_service_file(path: Path, content: bytes, *, mode: int) -> None:
        if path.parent.name == "environments":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        replace_file(path, content, mode=mode)

    monkeypatch.setattr(editor, "replace_file", fail_after_the_service_file)
    with pytest.raises(OSError, match="No space left"):
        NewService("labels", "ada", "Prints.", ["a-key"], application=".").write(team)
    assert check_repository(team).errors == ()
    assert (team.policies / "labels.tests.yaml").exists()


def test_template_of_a_killed_command_is_taken_over(team: Repository) -> None:
    new = NewService("labels", "ada", "Prints.", ["a-key"], application=".")
    (team.templates / "labels").mkdir()
    assert new.config is not None
    (team.templates / "labels" / "app.yaml.j2").write_text(new.config.template())
    new.write(team)
    assert check_repository(team).errors == ()


def test_ipv6_address_of_a_database_is_quoted(team: Repository) -> None:
    databases = {PROD: "[2001:db8::1]:5432"}
    NewService("labels", "ada", "Prints.", has_database=True, databases=databases).write(team)
    found = team.load().deployment(Scope("labels", PROD)).database
    assert str(found) == "[2001:db8::1]:5432"


def test_settings_are_in_the_template_and_typed_in_the_model(team: Repository) -> None:
    settings: dict[str, dict[str, str | int | bool]] = {
        "page-size": {"type": "integer", "default": 25},
        "schema": {"type": "text", "default": "# 📦: 'x'"},
        "debug": {"type": "boolean", "default": False},
    }
    new = NewService("labels", "ada", "Prints 📦.", application=".", settings=settings)
    new.write(team)
    assert check_repository(team).errors == ()
    service = team.load().service("labels")
    assert service.description == "Prints 📦."
    assert service.settings["schema"].default == "# 📦: 'x'"
    assert service.config is not None
    assert service.config.settings == ("page-size", "schema", "debug")
    namespace: dict[str, Any] = {}
    exec((team.root / "labels_config.py").read_text(), namespace)  # noqa: S102 (the written file)
    fields = namespace["LabelsConfig"].model_fields
    assert {name: field.annotation for name, field in fields.items()} == {
        "page_size": int,
        "setting_schema": str,
        "debug": bool,
    }


def test_refused_service_leaves_no_model_and_keeps_the_teams_own(team: Repository) -> None:
    with pytest.raises(DeclarationError):
        NewService("labels", "no one", "Prints.", application=".").write(team)
    model = team.root / "labels_config.py"
    assert not model.exists()
    model.write_text("ours")
    with pytest.raises(DeclarationError):
        NewService("labels", "no one", "Prints.", application=".").write(team)
    NewService("labels", "ada", "Prints.", application=".").write(team)
    assert model.read_text() == "ours"


@pytest.mark.parametrize("written", [0, 1, 2])
def test_killed_command_is_completed_by_the_same_one(
    team: Repository, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    """Fail like a kill after *written* files of the declaration: the service file, then prod."""
    paths: list[Path] = []

    def fail(path: Path, content: bytes, *, mode: int) -> None:
        if len(paths) == written:
            raise KeyboardInterrupt
        paths.append(path)
        replace_file(path, content, mode=mode)

    new = NewService("labels", "ada", "Prints.", ["a-key"], application=".")
    with monkeypatch.context() as patch:
        patch.setattr(editor, "replace_file", fail)
        with pytest.raises(KeyboardInterrupt):
            new.write(team)
    assert [path.name for path in paths] == ["labels.yaml", "prod.yaml"][:written]
    assert Scope("labels", DEV) not in team.load().scopes(DEV)
    assert new.write(team) == {}
    assert check_repository(team).errors == ()
    assert [len(team.load().scopes(name)) for name in (DEV, PROD)] == [1, 1]
    with pytest.raises(ConfigurationError, match="exists; edit it"):
        new.write(team)
