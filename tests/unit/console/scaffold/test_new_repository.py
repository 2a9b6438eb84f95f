"""Repository that ``strongroom init`` writes: complete, valid, and never half-written."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import gettempdir

import pytest
from ruamel.yaml import YAML

from app_integration.errors import ConfigurationError, InvalidName
from app_integration.names import MAX_SERVICE_LENGTH, Environment
from console.commands.start import authoring
from console.scaffold.new_repository import NewRepository, ignored_names, parse_addresses
from vault.declare import repository, repository_root

PROD, STAGING = Environment("prod"), Environment("staging")
SERVERS = {
    PROD: "https://vault.example.com:8200",
    STAGING: "https://vault.staging.example.com:8200",
}


def test_repository_has_the_declared_environments_and_no_service(tmp_path: Path) -> None:
    folder = tmp_path / "ops" / "parcels"
    written, kept = NewRepository("parcels", "ada@example.com", SERVERS).write(folder)
    assert {path for path in folder.rglob("*") if path.is_file()} == {*written}
    assert kept == []
    declared = repository.read(folder).load()
    assert sorted(declared.environments) == ["dev", "prod", "staging"]
    assert {each.deployment for each in declared.environments.values()} == {"parcels"}
    assert declared.environment("staging").like == PROD
    assert dict(declared.services) == {}
    assert (folder / "CODEOWNERS").read_text().endswith("\n* ada@example.com\n")


def test_two_repositories_declare_no_name_of_the_whole_server_twice(tmp_path: Path) -> None:
    names: list[str] = []
    ids = ("parcels", "returns", "a" * MAX_SERVICE_LENGTH)
    for deployment in ids:
        NewRepository(deployment, "ada", SERVERS).write(tmp_path / deployment)
        declared = repository.read(tmp_path / deployment).load().environment(PROD)
        names += [*declared.quotas, *declared.password_policies]
    assert len(names) == len(set(names)) == 2 * len(ids)
    assert {"parcels-logins", "parcels-database"} <= {*names}


def test_environment_is_like_prod_only_if_there_is_one(tmp_path: Path) -> None:
    NewRepository("parcels", "ada", {STAGING: SERVERS[STAGING]}).write(tmp_path)
    assert repository.read(tmp_path).load().environment("staging").like is None


def test_files_of_an_existing_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("ours")
    NewRepository("parcels", "ada").write(tmp_path)
    assert (tmp_path / "README.md").read_text() == "ours"
    assert repository_root.find_root(tmp_path) == tmp_path


def test_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "dev.yaml").write_text("ours")
    with pytest.raises(ConfigurationError, match=r"has environments/dev\.yaml; move these files"):
        NewRepository("parcels", "ada").write(tmp_path)
    assert {path.name for path in tmp_path.rglob("*")} == {"environments", "dev.yaml"}


def test_common_files_of_an_existing_repository_are_kept(tmp_path: Path) -> None:
    names = {
        "README.md",
        "Makefile",
        ".gitignore",
        "CODEOWNERS",
        "Dockerfile",
        "docker-compose.yml",
    }
    for name in names:
        (tmp_path / name).write_text("ours")
    written, kept = NewRepository("parcels", "ada").write(tmp_path)
    assert {path.name for path in kept} == names
    assert {path.read_text() for path in kept} == {"ours"}
    assert not set(written) & set(kept)
    assert repository.read(tmp_path).load().services == {}


def test_command_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    new = NewRepository("parcels", "ada")
    written, _ = new.write(tmp_path)
    assert written[-1] == tmp_path / "strongroom.yaml"
    for path in written[3:]:
        path.unlink()
    assert new.write(tmp_path) == (written, [])


def test_workflow_has_two_jobs_for_each_environment_that_has_a_server(tmp_path: Path) -> None:
    NewRepository("parcels", "ada", SERVERS, "parcels/secrets").write(tmp_path)
    workflow = YAML(typ="safe").load(tmp_path / ".github/workflows/deployment.yml")
    assert sorted(workflow["jobs"]) == [
        *("apply-prod", "apply-staging", "plan-prod", "plan-staging"),
    ]
    staging = repository.read(tmp_path).load().environment("staging")
    assert staging.jobs.plan is not None
    assert staging.jobs.plan.jwt.audience == SERVERS[STAGING]
    assert staging.jobs.apply is not None
    assert staging.jobs.apply.jwt.claims["environment"] == ("staging",)


@pytest.mark.parametrize(
    ("addresses", "name", "error"),
    [
        (SERVERS, "secrets", "--github is 'secrets'; expected owner/name"),
        (SERVERS, "a/b\n", "expected owner/name"),
        (SERVERS, "a/${{ secrets.KEY }}", "expected owner/name"),
        ({}, "parcels/secrets", "--github is set without --environment"),
    ],
)
def test_workflow_of_no_repository_or_no_environment_is_refused(
    addresses: dict[Environment, str], name: str, error: str
) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(error)):
        NewRepository("parcels", "ada", addresses, name)


def test_lines_for_a_gitignore_of_ones_own_name_the_local_deployment() -> None:
    local = [".strongroom/", ".strongroom-aws/", "strongroom.local.yaml"]
    assert ignored_names()[:4] == [*local, ".env"]


def test_repository_inside_another_is_refused(tmp_path: Path) -> None:
    NewRepository("parcels", "ada").write(tmp_path)
    with pytest.raises(ConfigurationError, match=f"is inside the repository {tmp_path}"):
        NewRepository("parcels", "ada").write(tmp_path / "inner")


@pytest.mark.parametrize(
    ("deployment", "owner", "address", "error"),
    [
        ("Parcels", "ada", "https://v:8200", "strongroom.yaml:5: deployment is 'Parcels'"),
        ("parcels", "a: b", "https://v:8200", "environments/dev.yaml:4: owner is 'a: b'"),
        ("parcels", "no\nowner", "https://v:8200", "environments/dev.yaml:4: owner is"),
        ("parcels", "ada", "http://v:8200", "vault.address is 'http://v:8200'"),
        ("parcels", "ada", "https://u:p@v", "vault.address is text that contains credentials"),
    ],
)
def test_wrong_value_leaves_nothing_behind(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deployment: str,
    owner: str,
    address: str,
    error: str,
) -> None:
    new = NewRepository(deployment, owner, {PROD: address})
    monkeypatch.chdir(gettempdir())
    with pytest.raises(ConfigurationError) as raised:
        new.write(tmp_path / "parcels")
    assert error in str(raised.value)
    assert not re.search(r"tmp\w+/", str(raised.value))
    assert str(tmp_path) not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("owner", ["true", "null", "ada", "#ada@example.com", "o'b@example.com"])
def test_text_is_quoted_where_yaml_would_read_something_else(tmp_path: Path, owner: str) -> None:
    NewRepository("parcels", owner).write(tmp_path)
    assert repository.read(tmp_path).load().environment("dev").owner == owner


@pytest.mark.parametrize(
    ("name", "found"),
    [("My Parcels_2", "my-parcels-2"), ("ops", "ops"), ("a \N{EM DASH} b", "a-b")],
)
def test_id_is_derived_from_the_folder(tmp_path: Path, name: str, found: str) -> None:
    assert authoring._derive_id(tmp_path / name) == found


@pytest.mark.parametrize("name", ["Ümlaut", "U\N{COMBINING DIAERESIS}mlaut", "straße", "日本"])
def test_id_that_would_lose_a_letter_is_not_derived(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="pass the id with --deployment"):
        authoring._derive_id(tmp_path / name)


def test_addresses_are_given_by_environment() -> None:
    assert parse_addresses(["prod=https://v?a=b"]) == {PROD: "https://v?a=b"}
    for text in ("prod", "prod=", "=https://v", "dev=https://v"):
        with pytest.raises((ConfigurationError, InvalidName)):
            parse_addresses([text])
    with pytest.raises(InvalidName):
        parse_addresses(["../x=https://v"])
