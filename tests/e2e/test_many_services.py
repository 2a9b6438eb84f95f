"""Deployments of no, one, two and many services, none of which is the example store."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from app_integration.client import Client
from app_integration.settings import from_environment
from tests.support.models.many_services import declare_services, write_environment
from tests.support.polling import wait_until
from tests.support.processes.killed_up import check_next_up_completes, kill_after_steps
from tests.support.processes.shell import Shell

pytestmark = pytest.mark.requires("embedded")

#: Lines that a first start of three services prints, one for each step.
STEPS_OF_THREE = 9


def shell_for(folder: Path, count: int) -> tuple[Shell, list[str]]:
    names = declare_services(folder / "declaration", count)
    variables = {"STRONGROOM_DECLARATION": str(folder / "declaration")}
    return Shell(folder / ".strongroom", variables), names


def declaration_of(shell: Shell) -> Path:
    """Return the folder of the declaration."""
    return Path(shell.variables["STRONGROOM_DECLARATION"])


def variables(shell: Shell, service: str) -> dict[str, str]:
    """Return the variables of *service*, as a shell reads them from its file."""
    line = f"set -a; . {shell.layout.service_env(service)}; env -0"
    text = subprocess.run(["/bin/sh", "-c", line], env={}, capture_output=True, check=True).stdout
    return dict(each.split("=", 1) for each in text.decode().split("\0") if each)


def agent_pids(shell: Shell) -> set[int]:
    return {
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if str(shell.layout.agents) in " ".join(process.info["cmdline"] or ())
        and "agent" in (process.info["cmdline"] or ("", ""))[1:2]
    }


@pytest.fixture
def three(tmp_path: Path) -> Iterator[tuple[Shell, list[str]]]:
    shell, names = shell_for(tmp_path, 3)
    yield shell, names
    shell("reset", "--yes")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shell, list[str]]]:
    shell, names = shell_for(tmp_path_factory.mktemp("started"), 3)
    yield shell, names
    shell("reset", "--yes")


@pytest.fixture
def running(started: tuple[Shell, list[str]]) -> tuple[Shell, list[str]]:
    """Return three services that run as they were declared at first, whatever a test before did."""
    shell, names = started
    shutil.rmtree(declaration_of(shell))
    declare_services(declaration_of(shell), 3)
    up = shell("up")
    assert up.returncode == 0, up.stderr
    return shell, names


@pytest.mark.parametrize(
    "count",
    [
        0,
        2,
        pytest.param(1, marks=pytest.mark.nightly),
        pytest.param(20, marks=pytest.mark.nightly),
    ],
)
def test_up_of_any_number_of_services_serves_each(tmp_path: Path, count: int) -> None:
    shell, names = shell_for(tmp_path, count)
    try:
        up = shell("up")
        assert (up.stderr, up.returncode) == ("", 0), up.stdout
        for number, name in enumerate(names):
            check_service(shell, name, number)
        status = shell("status")
        assert status.returncode == 0, status.stdout
        with_config = [name for number, name in enumerate(names) if number % 4 != 3]
        assert [name for name in names if f"{name} " in status.stdout] == with_config
        assert shell("plan", "--env", "dev").returncode == 0
        again = shell("up")
        assert "nothing was changed" in again.stdout, again.stdout
    finally:
        assert shell("reset", "--yes").returncode == 0
    assert shell.processes() == []


def check_service(shell: Shell, name: str, number: int) -> None:
    """Check that the service *name* works with its own variables."""
    client = Client(from_environment(variables(shell, name)))
    try:
        assert len(client.secrets.get("signing-key").reveal()) == 48
        if number % 4 != 1:
            token = client.cipher("pii").encrypt_field("ada@example.com", {"id": 1})
            assert client.cipher("pii").decrypt_field(token, {"id": 1}) == "ada@example.com"
        if number % 4 != 2:
            for role in (None, "reports"):
                with client.databases.engine(role, None).connect() as connection:
                    found = connection.exec_driver_sql("SELECT current_user, current_database()")
                    underscored = name.replace("-", "_")
                    assert tuple(found.one()) == (f"{underscored}_owner", underscored)
    finally:
        client.close()
    config = shell.layout.config(name)
    assert config.exists() == (number % 4 != 3)


def test_config_waits_for_a_secret_without_a_value_and_up_names_it(
    three: tuple[Shell, list[str]],
) -> None:
    shell, names = three
    folder = declaration_of(shell)
    template = folder / "templates" / names[0] / "app.yaml.j2"
    template.write_text('jwt:\n  secret: {{ secret("partner-token") }}\n')
    up = shell("up")
    assert up.returncode == 1
    assert (
        f"the config of {names[0]}-dev is not delivered: no value for partner-token; write each, "
        f"such as with: strongroom put partner-token --service {names[0]} --env dev;"
    ) in up.stderr
    assert shell.layout.config(names[1]).exists()
    scope = ("--service", names[0], "--env", "dev")
    put = shell("put", "partner-token", *scope, typed="a partner's token, 32 characters long")
    assert put.returncode == 0, put.stderr
    # Without another up, because the supervisor starts the agent again.
    wait_until(shell.layout.config(names[0]).exists, "the delivery", 90)
    assert shell("up").returncode == 0


def declare_redis_without_urls(folder: Path, service: str) -> None:
    """Declare a Redis role of *service*, and no secret that an operator provides."""
    for path, change in (
        (folder / "services" / f"{service}.yaml", lease_redis_users),
        (folder / "environments" / "dev.yaml", lambda each: place_redis(each, service)),
    ):
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))


def lease_redis_users(document: dict[str, Any]) -> None:
    for name in ("database-url", "partner-token"):
        del document["secrets"][name]
    role = {"rules": ["~visits:*", "+@read"], "ttl": "1h", "max_ttl": "24h"}
    document["redis"] = {"roles": {"default": role}}


def place_redis(document: dict[str, Any], service: str) -> None:
    document["services"][service]["redis"] = {"address": "127.0.0.1:16379"}


def test_up_and_doctor_use_a_service_that_declares_no_url(
    tmp_path: Path,
) -> None:
    shell, names = shell_for(tmp_path, 1)
    declare_redis_without_urls(tmp_path / "declaration", names[0])
    try:
        up = shell("up")
        assert (up.stderr, up.returncode) == ("", 0), up.stdout
        assert "database_engine().connect()  →  logged in to PostgreSQL: v-" in up.stdout
        assert "redis_client()  →  logged in to Redis: V_" in up.stdout
        doctor = shell("doctor", "--service", names[0], "--env", "dev")
        assert (doctor.stderr, doctor.returncode) == ("", 0), doctor.stdout
        assert "ok     database: v-" in doctor.stdout
        assert "ok     Redis: V_" in doctor.stdout
    finally:
        shell("reset", "--yes")


def test_up_of_one_service_starts_the_agent_of_no_other(three: tuple[Shell, list[str]]) -> None:
    shell, names = three
    up = shell("up", names[1])
    assert up.returncode == 0, up.stderr
    assert shell.layout.config(names[1]).exists()
    assert not shell.layout.config(names[0]).exists()
    assert not shell.layout.service_env(names[0]).exists()
    assert len(agent_pids(shell)) == 1
    assert shell("up").returncode == 0
    assert len(agent_pids(shell)) == 3
    assert shell("down").returncode == 0
    assert shell("up", names[1]).returncode == 0
    assert len(agent_pids(shell)) == 1
    assert shell("up").returncode == 0
    assert len(agent_pids(shell)) == 3
    unknown = shell("up", "part-77")
    assert unknown.returncode == 1
    assert "no service in dev 'part-77' is declared" in unknown.stderr


def test_deployment_with_a_faulty_declaration_can_be_stopped_and_erased(
    three: tuple[Shell, list[str]],
) -> None:
    shell, names = three
    assert shell("up").returncode == 0
    folder = declaration_of(shell)
    (folder / "services" / f"{names[0]}.yaml").write_text("service: [\n")
    assert "is invalid YAML" in shell("up").stderr
    down = shell("down")
    assert (down.returncode, down.stderr) == (0, "")
    assert "agent, vault, database, redis, smtp" in down.stdout
    assert shell.processes() == []
    assert shell("reset", "--yes").returncode == 0
    assert not shell.layout.root.exists()


def test_rejected_config_of_one_service_does_not_hold_up_the_others(
    three: tuple[Shell, list[str]],
) -> None:
    shell, names = three
    folder = declaration_of(shell)
    template = folder / "templates" / names[0] / "app.yaml.j2"
    good = template.read_text()
    template.write_text('wrong: {{ secret("signing-key") }}\n')
    up = shell("up")
    assert up.returncode == 1
    assert "jwt: Field required" in up.stderr or "was rejected" in up.stderr
    assert shell.layout.config(names[1]).exists()
    assert shell("status").returncode == 0
    template.write_text(good)
    assert shell("up").returncode == 0
    assert shell.layout.config(names[0]).exists()


def test_changed_template_restarts_one_agent(running: tuple[Shell, list[str]]) -> None:
    shell, names = running
    before = agent_pids(shell)
    assert len(before) == 3
    folder = declaration_of(shell)
    with (folder / "templates" / names[0] / "app.yaml.j2").open("a") as file:
        file.write("# changed\n")
    up = shell("up")
    assert up.returncode == 0, up.stderr
    assert f"config of {names[0]} delivered" in up.stdout
    assert names[1] not in [
        line.split()[3] for line in up.stdout.splitlines() if "config of" in line
    ]
    assert len(before & agent_pids(shell)) == 2
    assert "# changed" in shell.layout.config(names[0]).read_text()


def test_undeclared_service_loses_its_agent_and_files(running: tuple[Shell, list[str]]) -> None:
    shell, names = running
    write_environment(declaration_of(shell), names[1:])
    assert shell("up").returncode == 0
    wait_until(lambda: len(agent_pids(shell)) == 2, "the end of one agent", 20)
    assert not shell.layout.config(names[0]).exists()
    assert not shell.layout.service_env(names[0]).exists()
    assert not (shell.layout.mail_accounts / names[0]).exists()
    assert not list(shell.layout.service_credentials.glob(f"{names[0]}-*"))
    assert f"STRONGROOM_SERVICE={names[1]}" in shell.layout.dev_env.read_text()
    assert variables(shell, names[1]) == {
        **variables(shell, names[1]),
        "STRONGROOM_SERVICE": names[1],
    }


def test_service_that_was_pruned_works_when_it_is_declared_again(
    running: tuple[Shell, list[str]],
) -> None:
    shell, names = running
    folder = declaration_of(shell)
    write_environment(folder, names[1:])
    assert shell("apply", "--env", "dev", "--prune").returncode == 0
    write_environment(folder, names)
    up = shell("up")
    assert up.returncode == 0, up.stdout + up.stderr
    check_service(shell, names[0], 0)


def test_service_without_config_or_delivered_file_is_brought_up_to_date(
    running: tuple[Shell, list[str]],
) -> None:
    shell, names = running
    file = declaration_of(shell) / "services" / f"{names[0]}.yaml"
    shell.layout.config(names[1]).unlink()
    document = json.loads(file.read_text())
    del document["config"]
    file.write_text(json.dumps(document))
    up = shell("up")
    assert up.returncode == 0, up.stderr
    assert shell.layout.config(names[1]).exists()
    assert not shell.layout.config(names[0]).exists()
    wait_until(lambda: len(agent_pids(shell)) == 2, "the end of one agent", 20)


def test_up_shows_services_without_a_value_and_without_a_secret(
    three: tuple[Shell, list[str]],
) -> None:
    shell, names = three
    services = declaration_of(shell) / "services"
    for name, secrets in zip(names, ({"partner-token": {"source": "given"}}, {}), strict=False):
        document = {"service": name, "owner": "parts-team", "description": "x", "secrets": secrets}
        (services / f"{name}.yaml").write_text(json.dumps(document))
    write_environment(services.parent, names)
    first = shell("up")
    assert first.returncode == 0, first.stderr
    assert "get_secret('partner-token')  →  None  (no value yet)" in first.stdout
    second = shell("up", names[1])
    assert second.returncode == 0, second.stderr
    assert "get_secret" not in second.stdout


@pytest.mark.nightly
@pytest.mark.parametrize("steps", range(1, STEPS_OF_THREE + 1))
def test_up_of_three_killed_after_any_step_is_completed_by_the_next(
    tmp_path: Path, steps: int
) -> None:
    shell, _ = shell_for(tmp_path, 3)
    try:
        kill_after_steps(shell, steps)
        check_next_up_completes(shell)
    finally:
        shell("reset", "--yes")
