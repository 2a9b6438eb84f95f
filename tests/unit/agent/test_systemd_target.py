"""Units that are built for systemd, checked by systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.quoting import quote_command
from agent.targets.host import Host
from agent.targets.settings import target_settings
from agent.targets.systemd import account, build
from app_integration.errors import ConfigurationError
from app_integration.names import Environment, Scope
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.models.target import tracking_settings
from vault.declare.load import load

ROOT: Final = Path(__file__).parents[3]
AGENT: Final = "strongroom-tracking-agent.service"
HEALTH: Final = "http://127.0.0.1:80/health"
COMMAND: Final = ("gunicorn", "-w", "2", 'app:make("100 %", $HOME)')
HOSTS: Final = {
    "application": Host(command=COMMAND),
    "beside": Host(),
    "elsewhere": Host(Path("/opt/a b/%i"), ("run",), Path("/etc/ssl/ca.pem")),
}


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)))
def test_words_of_a_command_are_quoted_for_systemd(words: list[str]) -> None:
    assert read_words(quote_command(words)) == words


@pytest.mark.parametrize("word", ["a\nb", "a\x00", "\x1b"])
def test_control_character_is_rejected(word: str) -> None:
    with pytest.raises(ConfigurationError, match="contains a control character; remove it"):
        build(tracking_settings(), Host(command=(word,)))


@pytest.mark.requires("systemd")
def test_systemd_has_nothing_to_say_about_a_colour_with_the_drop_in_of_the_store(
    tmp_path: Path,
) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    files = build(replace(tracking_settings(), colour="green"), Host(tmp_path, COMMAND))
    name = "tracking-green.service"
    (tmp_path / name).write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/sh", files[name]))
    drop_in = tmp_path / "tracking-.service.d" / "credential.conf"
    drop_in.parent.mkdir()
    example = ROOT / "examples/gaara_store/rollout/credential.conf"
    drop_in.write_text(f"{example.read_text()}Wrong=key\n")
    done = subprocess.run(
        [program, "verify", "--man=no", name],
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # It has read the drop-in, and objects to nothing but the line that is wrong.
    (line,) = done.stdout.splitlines()
    assert "Unknown key" in line
    assert "Wrong" in line


@pytest.mark.requires("systemd")
def test_systemd_has_nothing_to_say_about_the_unit_of_the_page(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    page = (ROOT / "docs/howto/Systemd.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```ini\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    unit = tmp_path / "tracking.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/sh", text))
    done = subprocess.run(
        [program, "verify", "--man=no", str(unit)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.requires("systemd")
@pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("login", ["approle", "jwt"])
def test_systemd_has_nothing_to_say(tmp_path: Path, host: Host, login: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    settings = tracking_settings(login=login, token_file="/run/jwt", health=HEALTH)
    files = build(settings, host)
    units = [tmp_path / name for name in files if name.endswith(".service")]
    for unit in units:
        # systemd looks for the programs, which are not on this machine.
        text = re.sub(
            r"^ExecStart=(\"[^\"]*\"|\S+)",
            "ExecStart=/bin/sh",
            files[unit.name],
            flags=re.MULTILINE,
        )
        unit.write_text(text)
    assert len(units) == 2
    done = subprocess.run(
        [program, "verify", "--man=no", *map(str, units)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("", 0)


def test_colours_have_units_users_and_folders_of_their_own() -> None:
    settings = tracking_settings(health=HEALTH)
    blue, green = (
        build(replace(settings, colour=name), HOSTS["application"]) for name in ("blue", "green")
    )
    units = ["strongroom-tracking-green-agent.service", "tracking-green.service"]
    assert [name for name in sorted(green) if name.endswith(".service")] == units
    for name, other in zip(sorted(blue), sorted(green), strict=True):
        if name != "templates/app.yaml.ctmpl":
            assert blue[name].replace("blue", "green") == green[other]
            assert blue[name] != green[other]
    service = read_unit(green["tracking-green.service"])["Service"]
    assert "STRONGROOM_SERVICE=tracking" in service["Environment"]


def test_wrong_key_would_be_noticed(tmp_path: Path) -> None:
    """What the test above relies on: systemd-analyze prints something about each wrong line."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    unit = tmp_path / "a.service"
    unit.write_text("[Service]\nExecStart=/bin/sh\nProtectSystm=strict\n")
    done = subprocess.run([program, "verify", str(unit)], stderr=subprocess.PIPE, check=False)
    assert b"ProtectSystm" in done.stderr


def test_paths_of_the_agent_are_those_of_the_units() -> None:
    files = build(tracking_settings(), HOSTS["elsewhere"])
    agent, application = read_unit(files[AGENT]), read_unit(files["tracking.service"])
    config = files["agent.hcl"]
    assert 'perms                = "0640"' in config
    assert 'ca_cert = "/etc/ssl/ca.pem"' in config
    staging = "/run/strongroom-tracking/app.yaml"
    assert f'destination          = "{staging}"' in config
    assert agent["Service"]["RuntimeDirectory"] == ["strongroom-tracking"]
    assert agent["Service"]["RuntimeDirectoryMode"] == ["2750"]
    start = read_words(application["Service"]["ExecStart"][0])
    assert staging in start
    assert agent["Service"]["Group"] == application["Service"]["SupplementaryGroups"]
    for name in ("role-id", "secret-id"):
        assert f"/run/credentials/{AGENT}/{name}" in config
        assert f"{name}:/etc/strongroom/tracking/{name}" in agent["Service"]["LoadCredential"]


def test_without_a_command_the_delivery_is_a_unit_of_its_own() -> None:
    files = build(tracking_settings(health=HEALTH), Host())
    (start,) = read_unit(files["strongroom-tracking-delivery.service"])["Service"]["ExecStart"]
    assert start.endswith(f"--health {HEALTH} --settle 3 --within 30")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "config.health in services/tracking.yaml is not declared"),
        ({"reload": "SIGHUP", "health": "http://h"}, "'SIGHUP', for which the delivery must start"),
        ({"reload": "restart", "health": "http://h"}, "'restart', for which the delivery must"),
    ],
)
def test_application_that_the_delivery_cannot_see_or_tell_is_rejected(
    fields: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(tracking_settings(**fields), Host())


@pytest.mark.parametrize("name", ["user", "shadow", "www-data", "lock"])
def test_service_named_like_something_of_the_machine_is_rejected(name: str) -> None:
    """Its unit would take over the folder, or run as the user or group, of that name."""
    scope = Scope(name, Environment("staging"))
    settings = replace(tracking_settings(health=HEALTH), scope=scope)
    with pytest.raises(ConfigurationError, match=f"/run/{name} of its own.*rename the service"):
        build(settings, HOSTS["application"])
    assert f"{name}-green.service" in build(replace(settings, colour="green"), HOSTS["application"])


def test_names_of_accounts_fit() -> None:
    assert account("strongroom-tracking-agent") == "strongroom-tracking-agent"
    long = {account(f"strongroom-{name}-agent") for name in ("payment-gateway", "payment-gatewaz")}
    assert {len(name) for name in long} == {31}
    assert len(long) == 2


def test_application_starts_again_with_its_last_good_file() -> None:
    unit = read_unit(build(tracking_settings(), Host(command=("run",)))["tracking.service"])
    assert unit["Service"]["RuntimeDirectoryPreserve"] == ["yes"]
    assert unit["Service"]["SuccessExitStatus"] == ["143"]


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"login": "jwt", "token_file": "/run/jwt"}, ["/run/jwt"]),
        ({"login": "cert", "certificate_file": "/c.pem", "key_file": "/k.pem"}, ["/c.pem"]),
    ],
)
def test_login_of_the_platform_needs_no_stored_credential(
    login: dict[str, Any], words: list[str]
) -> None:
    files = build(tracking_settings(**login), Host(command=("run",)))
    assert "LoadCredential" not in files[AGENT]
    assert all(word in files["agent.hcl"] for word in words)


def test_users_and_groups_of_the_units_are_created() -> None:
    files = build(tracking_settings(), Host(command=("run",)))
    lines = [line.split() for line in files["strongroom-tracking.sysusers.conf"].splitlines()]
    made = {line[1] for line in lines if line[0] in {"u", "g"}}
    for unit in (AGENT, "tracking.service"):
        service = read_unit(files[unit])["Service"]
        for key in ("User", "Group", "SupplementaryGroups"):
            assert {*service.get(key, [])} <= made


def test_access_records_are_encrypted_in_a_folder_of_the_application() -> None:
    settings = replace(tracking_settings(health=HEALTH), audit_key="audit")
    unit = build(settings, HOSTS["application"])["tracking.service"]
    assert "\nLogsDirectory=tracking\nLogsDirectoryMode=0700\n" in unit
    assert "\nEnvironment=STRONGROOM_AUDIT_FILE=/var/log/tracking/access.jsonl\n" in unit
    assert all("AUDIT" not in text for text in build(settings, Host()).values())


@pytest.mark.parametrize("environment", [Environment.STAGING, Environment.PROD])
def test_store_outside_dev_encrypts_its_access_records(environment: Environment) -> None:
    settings = target_settings(load(), Scope("gaara-store", environment))
    assert (
        "STRONGROOM_AUDIT_KEY=audit" in build(settings, HOSTS["application"])["gaara-store.service"]
    )
    worker = target_settings(load(), Scope("orders-mail", environment))
    assert "AUDIT" not in build(worker, HOSTS["application"])["orders-mail.service"]
