"""Units that run a job, checked by systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest

from agent.jobs.definition import JobOptions
from agent.jobs.systemd import build
from app_integration import settings
from app_integration.auth.from_settings import build_auth_method
from app_integration.auth.methods import AppRole, JwtFile
from app_integration.errors import ConfigurationError
from app_integration.mounts import Mounts
from console.target.sessions import CREDENTIAL
from tests.support.models.jobs import (
    ARCHIVE,
    ARCHIVING,
    FOLDER,
    METRICS,
    RECIPIENT,
    ROTATE,
    TIDY,
    scheduled,
)
from tests.support.models.systemd_unit import read_unit, read_words
from tests.support.models.target import tracking_settings

ROOT: Final = Path(__file__).parents[3]
UNIT: Final = "strongroom-tracking-backup-database"
FILES: Final = ("role-id", "secret-id")
FAILED: Final = "strongroom-job-failed@.service"
LOGINS: Final[dict[str, dict[str, Any]]] = {
    "approle": {},
    "jwt": {"login": "jwt", "token_file": "/run/jwt"},
    "kubernetes": {"login": "kubernetes", "token_file": "/run/a b/%token"},
    "cert": {"login": "cert", "certificate_file": "/c.pem", "key_file": "/k.pem"},
}
JOBS: Final = {
    "backup": scheduled(tracking_settings()),
    "all options": scheduled(
        tracking_settings(),
        recipient=(RECIPIENT, RECIPIENT),
        keep=14,
        folder=Path('/srv/a "b"/%i $HOME'),
        program=Path("/opt/a b/strongroom"),
        cacert=Path("/etc/ssl/ca %.pem"),
    ),
    "no needs": scheduled(tracking_settings(), TIDY),
    "archive": scheduled(tracking_settings(), ARCHIVE),
    "rotate": scheduled(tracking_settings(), ROTATE),
    **{job.name: scheduled(tracking_settings(), job, job.schedule) for job in METRICS},
    "rotate with logs": replace(
        scheduled(tracking_settings(), ROTATE),
        options=JobOptions(
            repository=Path("/srv/a b/%i"), audit_log=(Path("/var/log/a.log"), Path("/var/b.log"))
        ),
    ),
    "rotate with a store": replace(
        scheduled(tracking_settings(), ROTATE),
        options=JobOptions(repository=Path("/srv/d"), store=Path("/var/lib/audit store")),
    ),
    **{name: scheduled(tracking_settings(**login)) for name, login in LOGINS.items()},
}


def verify(folder: Path, files: dict[str, str]) -> tuple[str, int]:
    """Return what systemd says about the units, and its exit code."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("needs systemd-analyze")
    units = [folder / name for name in files if name.endswith((".service", ".timer"))]
    for unit in units:
        # systemd looks for the programs, which are not on this machine.
        start = re.compile(r"^ExecStart=(\"[^\"]*\"|\S+)", re.MULTILINE)
        unit.write_text(start.sub("ExecStart=/bin/sh", files[unit.name]))
    done = subprocess.run(
        [program, "verify", "--man=no", *map(str, units)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout, done.returncode


@pytest.mark.requires("systemd")
@pytest.mark.parametrize("name", JOBS)
def test_systemd_has_nothing_to_say_about_the_units_of_a_job(tmp_path: Path, name: str) -> None:
    files = build(JOBS[name])
    assert verify(tmp_path, files) == ("", 0)
    assert len([*tmp_path.iterdir()]) == (2 if name == "audit-devices" else 3)


@pytest.mark.requires("systemd")
@pytest.mark.parametrize(
    ("file", "line", "wrong"),
    [
        (f"{UNIT}.service", "ReadWritePaths=", "ReadWritePath="),
        (f"{UNIT}.service", "OnFailure=strongroom-job-failed@%N", "OnFailure=%N"),
        (f"{UNIT}.timer", "RandomizedDelaySec=5min", "RandomizedDelaySec=five"),
        (f"{UNIT}.timer", "OnCalendar=*", "OnCalendar=daily at *"),
    ],
)
def test_wrong_line_of_a_unit_would_be_noticed(
    tmp_path: Path, file: str, line: str, wrong: str
) -> None:
    files = build(JOBS["backup"])
    assert line in files[file]
    said, _ = verify(tmp_path, {**files, file: files[file].replace(line, wrong)})
    assert said


@pytest.mark.requires("systemd")
@pytest.mark.parametrize("name", ["backup", "all options"])
@pytest.mark.parametrize(
    ("kind", "command", "says"),
    [
        ("sysusers", ["systemd-sysusers"], "Creating user '{user}'"),
        ("tmpfiles", ["systemd-tmpfiles", "--create"], "Would create directory {folder}\n"),
    ],
)
def test_systemd_makes_the_user_and_the_folder_of_a_job(
    tmp_path: Path, name: str, kind: str, command: list[str], says: str
) -> None:
    program = shutil.which(command[0])
    if program is None:
        pytest.skip(f"needs {command[0]}")
    files = build(JOBS[name])
    user = read_unit(files[f"{UNIT}.service"])["Service"]["User"][0]
    file, text = tmp_path / "job.conf", files[f"{UNIT}.{kind}.conf"]
    assert user in text
    # The folder's owner does not exist on this machine.
    file.write_text(text if kind == "sysusers" else text.replace(user, "root"))
    done = subprocess.run(
        [program, "--dry-run", *command[1:], str(file)], capture_output=True, text=True, check=True
    )
    assert says.format(user=user, folder=JOBS[name].options.folder) in done.stdout + done.stderr


def test_job_runs_the_command_with_its_options() -> None:
    unit = read_unit(build(JOBS["all options"])[f"{UNIT}.service"])
    (start,) = unit["Service"]["ExecStart"]
    assert read_words(start) == [
        *("/opt/a b/strongroom", "backup-database", "--service", "tracking", "--env", "staging"),
        *("--folder", '/srv/a "b"/%i $HOME', "--recipient", RECIPIENT, "--recipient", RECIPIENT),
        *("--keep", "14"),
    ]
    assert unit["Service"]["Type"] == ["oneshot"]
    assert unit["Service"]["Restart"] == ["no"]
    assert unit["Service"]["TimeoutStartSec"] == ["14400"]


def test_rotation_runs_in_the_repository_with_the_credential_of_the_rotator() -> None:
    files = build(JOBS["rotate with logs"])
    service = read_unit(files["strongroom-tracking-rotate-due.service"])["Service"]
    assert service["WorkingDirectory"] == ["/srv/a b/%%i"]
    assert read_words(service["ExecStart"][0])[1:] == [
        *("rotate", "--due", "--service", "tracking", "--env", "staging"),
        *("--audit-log", "/var/log/a.log", "--audit-log", "/var/b.log"),
    ]
    assert service["LoadCredential"] == [
        "role-id:/etc/strongroom/strongroom-rotator/role-id",
        "secret-id:/etc/strongroom/strongroom-rotator/secret-id",
    ]
    variables = {read_words(line)[0] for line in service["Environment"]}
    assert {f"{name}=%d/{file}" for name, file in zip(CREDENTIAL, FILES, strict=True)} <= variables
    assert not any("STRONGROOM_AUTH" in each for each in variables)


def test_rotation_may_write_its_store_of_audit_lines() -> None:
    files = build(JOBS["rotate with a store"])
    name = "strongroom-tracking-rotate-due"
    service = read_unit(files[f"{name}.service"])["Service"]
    assert read_words(service["ExecStart"][0])[-2:] == ["--store", "/var/lib/audit store"]
    assert read_words(service["ReadWritePaths"][0]) == ["/var/lib/audit store"]
    user = service["User"][0]
    assert f'd "/var/lib/audit store" 0700 {user} {user} -' in files[f"{name}.tmpfiles.conf"]


def test_archive_runs_as_the_user_of_the_server_and_may_rename_its_logs() -> None:
    files = build(JOBS["archive"])
    name = "strongroom-tracking-audit-archive"
    service = read_unit(files[f"{name}.service"])["Service"]
    assert (service["User"], service["Group"]) == (["openbao"], ["openbao"])
    assert f"{name}.sysusers.conf" not in files
    assert read_words(service["ReadWritePaths"][0]) == [
        *("/var/backups/audit", "/var/log/openbao", "/srv/a b"),
    ]
    assert read_words(service["ExecStart"][0])[1:] == [
        *("audit", "archive", "--service", "tracking", "--env", "staging"),
        *("--folder", "/var/backups/audit", "--reload", "pkill -HUP -u openbao -x bao"),
        *("--audit-log", "/var/log/openbao/audit-1.log", "--audit-log", "/srv/a b/audit-2.log"),
        *("--keep", "90"),
    ]
    assert "d /var/backups/audit 0700 openbao openbao -" in files[f"{name}.tmpfiles.conf"]
    assert len(service["LoadCredential"]) == 2


@pytest.mark.parametrize("user", ["root bin", "Ada", "%i", "", "a" * 40])
def test_user_that_is_no_name_is_rejected(user: str) -> None:
    job = replace(JOBS["archive"], options=replace(ARCHIVING, user=user))
    with pytest.raises(ConfigurationError, match="is no name of a user; pass the server's"):
        build(job)


def test_job_writes_to_its_folder_only() -> None:
    files = build(JOBS["backup"])
    unit = read_unit(files[f"{UNIT}.service"])
    service = unit["Service"]
    assert service["ReadWritePaths"] == [str(FOLDER)]
    assert unit["Unit"]["RequiresMountsFor"] == [str(FOLDER)]
    for key, value in {
        "ProtectSystem": "strict",
        "ProtectHome": "yes",
        "PrivateTmp": "yes",
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "UMask": "0077",
    }.items():
        assert service[key] == [value]
    (line,) = files[f"{UNIT}.tmpfiles.conf"].splitlines()[1:]
    (user,) = service["User"]
    assert line.split() == ["d", str(FOLDER), "0700", user, user, "-"]


def test_page_installs_the_files_of_a_job() -> None:
    page = (ROOT / "docs/howto/Scheduled_Jobs.md").read_text(encoding="utf-8")
    (unit,) = re.findall(r"^unit=(\S+)$", page, re.MULTILINE)
    installed = re.findall(r"install (?:-D )?-m 0644 (.+) /", page.replace("$unit", unit))
    patterns = [pattern for each in installed for pattern in each.split()]
    files = build(JOBS["backup"])
    assert all(any(fnmatch(name, pattern) for pattern in patterns) for name in files)
    assert all(any(fnmatch(name, pattern) for name in files) for pattern in patterns)


@pytest.mark.parametrize("page", ["Scheduled_Jobs.md", "Systemd.md"])
def test_page_makes_the_folder_of_sysusers_which_debian_does_not_have(page: str) -> None:
    text = (ROOT / "docs/howto" / page).read_text(encoding="utf-8")
    commands = re.findall(r"install .* /etc/sysusers\.d/.*", text)
    assert commands
    assert all("-D" in command.split() for command in commands)


def test_job_without_needs_gets_no_credential_no_folder_and_no_network() -> None:
    files = build(JOBS["no needs"])
    service = read_unit(files["strongroom-tracking-tidy.service"])["Service"]
    assert service["PrivateNetwork"] == ["yes"]
    assert {"LoadCredential", "ReadWritePaths"}.isdisjoint(service)
    assert not any("STRONGROOM_AUTH" in each for each in service["Environment"])
    assert "strongroom-tracking-tidy.tmpfiles.conf" not in files


def test_timer_runs_the_job_at_its_times_and_makes_up_for_a_missed_one() -> None:
    timer = read_unit(build(JOBS["backup"])[f"{UNIT}.timer"])
    assert timer["Timer"] == {
        "OnCalendar": ["*-*-* 02:30:00 UTC"],
        "RandomizedDelaySec": ["5min"],
        "Persistent": ["yes"],
    }
    assert timer["Install"]["WantedBy"] == ["timers.target"]


def test_failed_job_starts_the_operators_program_with_its_name() -> None:
    files = build(JOBS["backup"])
    unit, failed = read_unit(files[f"{UNIT}.service"]), read_unit(files[FAILED])
    assert unit["Unit"]["OnFailure"] == [FAILED.replace("@", "@%N")]
    assert failed["Service"]["ExecStart"] == ["/etc/strongroom/job-failed %i"]
    assert failed["Unit"]["ConditionFileIsExecutable"] == ["/etc/strongroom/job-failed"]
    # The jobs of a machine share it.
    assert files[FAILED] == build(JOBS["no needs"])[FAILED]


def variables_of(files: dict[str, str]) -> dict[str, str]:
    """Return the variables of the unit, as systemd sets them."""
    lines = read_unit(files[f"{UNIT}.service"])["Service"]["Environment"]
    pairs = (read_words(line)[0].replace("%d", "/creds").partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


def sources_of(files: dict[str, str]) -> dict[str, str]:
    """Return the files that systemd copies, by the path of the copy."""
    lines = read_unit(files[f"{UNIT}.service"])["Service"]["LoadCredential"]
    pairs = (line.replace("%%", "%").partition(":") for line in lines)
    return {f"/creds/{name}": source for name, _, source in pairs}


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ("approle", AppRole(Path("/creds/role-id"), Path("/creds/secret-id"), "team-approle")),
        ("jwt", JwtFile(Path("/creds/token"), "tracking-staging", "jwt")),
        ("kubernetes", JwtFile(Path("/creds/token"), "tracking-staging", "kubernetes")),
    ],
)
def test_sdk_logs_in_as_declared_with_the_variables_of_the_unit(login: str, expected: Any) -> None:
    mounts = Mounts(database="team/db", approle="team-approle")
    service = replace(tracking_settings(**LOGINS[login]), mounts=mounts)
    files = build(scheduled(service))
    read = settings.from_environment(variables_of(files))
    assert build_auth_method(read) == expected
    assert (read.mounts.database, str(read.scope)) == ("team/db", "tracking-staging")
    sources = sources_of(files)
    assert list(sources.values()) == (
        ["/etc/strongroom/tracking/role-id", "/etc/strongroom/tracking/secret-id"]
        if login == "approle"
        else [LOGINS[login]["token_file"]]
    )


def test_certificate_and_ca_are_copied_for_the_unit() -> None:
    job = scheduled(tracking_settings(**LOGINS["cert"]), cacert=Path("/etc/ca.pem"))
    files = build(job)
    read = settings.from_environment(variables_of(files))
    assert read.auth.certificate == (Path("/creds/certificate"), Path("/creds/key"))
    assert read.vault_cacert == Path("/creds/ca")
    assert sources_of(files) == {
        "/creds/ca": "/etc/ca.pem",
        "/creds/certificate": "/c.pem",
        "/creds/key": "/k.pem",
    }
    assert build_auth_method(read).owns_token


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"folder": Path("/home/ada/backups")}, "^/home/ada/backups is in a home folder or a temp"),
        ({"folder": Path("/run/user/0/backups")}, "is in a home folder"),
        ({"folder": Path("/tmp/backups")}, "is in a home folder or a temporary"),  # noqa: S108
        ({"folder": Path("/root")}, "^/root is in a home folder"),
        ({"program": Path("/root/.local/bin/strongroom")}, "which the unit does not see; use"),
        ({"image": "tool:1"}, "systemd runs no image; remove --image"),
        ({"folder": Path("/srv/a\nb")}, "contains a control character"),
    ],
)
def test_place_that_a_unit_cannot_use_is_rejected(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build(scheduled(tracking_settings(), **changed))


def test_repository_that_a_unit_cannot_see_is_rejected() -> None:
    job = JOBS["rotate"]
    for options in (
        JobOptions(repository=Path("/home/ada/deployment")),
        JobOptions(repository=Path("/srv/d"), audit_log=(Path("/root/audit.log"),)),
    ):
        with pytest.raises(ConfigurationError, match="is in a home folder or a temporary"):
            build(replace(job, options=options))


def test_jobs_of_a_service_have_users_of_their_own() -> None:
    users = {
        read_unit(build(JOBS[name])[f"strongroom-tracking-{unit}.service"])["Service"]["User"][0]
        for name, unit in (("backup", "backup-database"), ("no needs", "tidy"))
    }
    assert len(users) == 2
    assert all(len(user) <= 31 for user in users)
