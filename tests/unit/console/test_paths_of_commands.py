"""Paths that commands take: each has a known use, and a foreign folder stays as it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer.main

from app_integration.auth.credential_file import read_credential
from app_integration.encryption.files.x25519 import read_identities
from app_integration.errors import ConfigurationError, StrongroomError
from app_integration.host_commands.inspect_file import inspect
from app_integration.host_commands.options import offline_cipher, open_source
from app_integration.names import Environment, Scope
from app_integration.observability.log_reader import LogReader
from aws.cost.prices import read_prices
from backup.label import read_label
from backup.login import read_url_file
from console import cli
from console.commands.start.adoption import read_admin_url
from migration import plan as migration_plan
from tests.support.models.jobs import RECIPIENT
from tests.support.processes.command import run_command
from vault.audit.anomalies import rules_reader
from vault.audit.archive.chain import ChainFile
from vault.audit.archive.log_facts import scan_file
from vault.audit.archive.segment_file import read_segment_file
from vault.audit.event_file import EventFile
from vault.audit.ingest.log_file import open_log
from vault.dotenv import parse as dotenv
from vault.reconcile import wrapped_secret_id
from vault.reconcile.inputs import Inputs
from vault.reconcile.planning import plan_file
from vault.rollout import rules as rollout_rules

SCOPE = Scope("shop", Environment("prod"))


class Use(Enum):
    """What a command does with a path."""

    OWNED = auto()  # a folder that it creates, and writes and removes files in
    READ = auto()  # a file, or a folder with files
    WRITTEN = auto()  # one file that it replaces
    PROJECT = auto()  # a folder of the team, to which it adds files
    THERE = auto()  # a path of another machine


#: Use by option or argument, for each command that has it.
USES = {
    "--admin-url-file": Use.READ,
    "--audit-log": Use.READ,
    "--cacert": Use.THERE,
    "--code": Use.READ,
    "--config": Use.PROJECT,
    "--credentials": Use.READ,
    "--flag-file": Use.READ,
    "--folder": Use.OWNED,
    "--given": Use.READ,
    "--html": Use.WRITTEN,
    "--identity": Use.READ,
    "--into": Use.READ,
    "--metrics": Use.WRITTEN,
    "--migration": Use.READ,
    "--out": Use.OWNED,
    "--prices": Use.READ,
    "--program": Use.THERE,
    "--records": Use.READ,
    "--repository": Use.THERE,
    "--root": Use.OWNED,
    "--rules": Use.READ,
    "--store": Use.OWNED,
    "--token-file": Use.READ,
    "file": Use.READ,
    "files": Use.READ,
    "folder": Use.READ,
    "paths": Use.READ,
    "plan": Use.READ,
}
#: Those of one command that are different.
EXCEPTIONS = {
    ("agent build", "--folder"): Use.THERE,
    ("environments template", "--out"): Use.WRITTEN,
    ("export-env", "--out"): Use.WRITTEN,
    ("init", "folder"): Use.PROJECT,
    ("plan", "--out"): Use.WRITTEN,
    ("schema", "--out"): Use.WRITTEN,
    ("sdk-wheel", "--out"): Use.PROJECT,
    ("units", "--audit-log"): Use.THERE,
    ("units", "--folder"): Use.THERE,
    ("units", "--metrics"): Use.THERE,
    ("units", "--store"): Use.THERE,
}


def _read_given(path: Path) -> object:
    return Inputs(folder=path.parent).get_required(path.name)


def _encrypt(path: Path) -> None:
    target = path.with_name("target")
    offline_cipher(SCOPE).encrypt_file(path, target, recipients=[RECIPIENT])


def _read_source(path: Path) -> object:
    with open_source(str(path)) as file:
        return file.read()


def _read_responses(path: Path) -> object:
    return list(EventFile(path).responses(lambda _: True))


def _read_records(path: Path) -> object:
    reader = LogReader([path], _no_key, print)
    list(reader.read())
    return reader.has_fault and _raise(path)


def _no_key(_header: object) -> NoReturn:
    raise ConfigurationError("no key")


def _raise(path: Path) -> NoReturn:
    raise ConfigurationError(f"{path} has a fault")


Reader = Callable[[Path], object]
#: What reads the file that an option names, or a file in the folder that it names.
READERS: Mapping[str, tuple[Reader, ...]] = {
    "--admin-url-file": (read_admin_url,),
    "--audit-log": (lambda path: open_log(path, None), _read_responses, scan_file),
    "--code": (),  # other files than regular and small ones are left out
    "--credentials": (lambda path: read_credential(path, "role-id"),),
    "--flag-file": (),  # it is not read
    "--given": (_read_given,),
    "--identity": (read_identities,),
    "--into": (read_url_file,),
    "--migration": (lambda path: migration_plan.read(path, None),),
    "--prices": (read_prices,),
    "--records": (lambda path: open_log(path, None), _read_records),
    "--rules": (rules_reader.read_rules, lambda path: rollout_rules.read_rules(path, "shop", ())),
    "--token-file": (lambda path: read_credential(path, "--token-file"),),
    "file": (dotenv.read, inspect, read_label, plan_file.load, _read_source, _encrypt),
    "files": (offline_cipher(SCOPE).rewrap, lambda path: list(read_segment_file(path, _no_key))),
    "folder": (
        lambda path: wrapped_secret_id.read(path.parent, "auth/approle"),
        lambda path: ChainFile(path.parent).read(),
    ),
    "paths": (_read_records,),
    "plan": (lambda path: migration_plan.read(path, None),),
}
#: Names of the files that a folder's readers look for.
NAMES = ("input", "wrapped-secret-id", "chain.jsonl")


def paths(command: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield each path that a command takes: its name, and the option or argument."""
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, f"{prefix} {name}".strip())
    for each in command.params:
        if "Path" in str(each.type_descriptor.annotation):
            yield prefix, each.opts[0]


PATHS = list(paths(typer.main.get_command(cli.app)))


def use(command: str, option: str) -> Use:
    return EXCEPTIONS.get((command, option)) or USES[option]


def snapshot(folder: Path) -> dict[str, object]:
    return {
        str(path): (
            path.lstat().st_mode,
            path.lstat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in (folder, *folder.rglob("*"))
    }


def test_each_path_of_a_command_has_a_known_use() -> None:
    assert {option for _, option in PATHS} == {*USES}
    assert {*EXCEPTIONS} <= {*PATHS}


@pytest.mark.parametrize(("command", "option"), [each for each in PATHS if use(*each) is Use.OWNED])
def test_foreign_folder_stays_as_it_is(
    command: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    foreign = tmp_path / "foreign"
    for name in ("temporary/kept", "spilled/kept", "run/kept", "index.json", ".git/HEAD"):
        (foreign / name).parent.mkdir(parents=True, exist_ok=True)
        (foreign / name).write_text("kept")
    foreign.chmod(0o755)
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(empty)
    before = snapshot(tmp_path)
    for path, hint in ((foreign, "name a new or an empty folder with"), ("link", "with")):
        assert run_command(monkeypatch, *command.split(), option, str(tmp_path / path)) == 1
        error = " ".join(capsys.readouterr().err.split())
        assert error.startswith(f"error: {tmp_path / path} is ")
        assert f"{hint} {option}" in error
    assert snapshot(tmp_path) == before


HOSTILE: Mapping[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
}


def test_each_option_that_reads_has_its_readers() -> None:
    assert {option for command, option in PATHS if use(command, option) is Use.READ} == {*READERS}


@pytest.mark.timeout(20)  # a reader that waits for a pipe would wait for ever
@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("option", READERS)
def test_reader_rejects_what_is_no_regular_file(option: str, kind: str, tmp_path: Path) -> None:
    for name in NAMES:
        HOSTILE[kind](tmp_path / name)
    for reader in READERS[option]:
        if kind == "folder" and reader is _read_records:
            continue  # which takes one
        with pytest.raises((StrongroomError, OSError), match=r"\S"):
            reader(tmp_path / "input")


@pytest.mark.parametrize("option", sorted({*READERS} - {"--audit-log", "--records", "paths"}))
def test_reader_of_a_small_file_rejects_a_terabyte(option: str, tmp_path: Path) -> None:
    names = [tmp_path / name for name in NAMES]
    for path in names:
        with path.open("wb") as file:
            file.truncate(1 << 40)
        path.chmod(0o600)
    for reader in READERS[option]:
        if reader not in {_encrypt, _read_source}:  # which read a file of any size in pieces
            with pytest.raises((StrongroomError, OSError), match=r"\S"):
                reader(tmp_path / "input")
    for path in names:  # because the suite reads the logs that tests leave
        path.unlink()
