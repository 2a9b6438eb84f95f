"""Pytest plugin that searches the output of a test run for the secrets that the run used.

While tests run at DEBUG it collects evidence: their output, logs and tracebacks, the arguments and
environment of child processes, the text of every error, and the ``repr`` of the project's own
objects. At the end it adds the logs and access records of every deployment, and searches for the
secrets that were in use: two planted ones, and all that the deployments and the SDK used.

No tested code takes part in the search.
"""

from __future__ import annotations

import gc
import os
import re
import secrets
import subprocess
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
import yaml

from app_integration._internal.private_file import write_private
from app_integration.auth import methods
from app_integration.errors import StrongroomError
from app_integration.observability import secret_registry
from app_integration.transport.payloads import Auth
from local.layout import Layout
from local.started_deployment import StartedDeployment
from tests.support.packages import PACKAGES
from tests.support.processes.secret_search import NEEDLES, SecretSearch

#: A random value. Invented values of tests are not secrets, and tracebacks show them as code.
RANDOM: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z])[\x21-\x7e]{20,512}")
LOGS: Final = ("*.log", "*.jsonl")


@dataclass
class Sweep:
    """Evidence of one run in a folder, and the secrets to search for in it."""

    folder: Path
    values: set[str] = field(default_factory=set, repr=False)
    found: list[str] = field(default_factory=list)
    size: int = 0
    needles: int = 0
    imported: list[Any] = field(default_factory=list, repr=False)
    noted: set[int] = field(default_factory=set, repr=False)

    def note(self, name: str, text: str) -> None:
        """Add *text* to the file *name* of the evidence."""
        with (self.folder / name).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{text}\n")

    def note_once(self, name: str, text: str) -> None:
        """Add *text* to the file *name*, unless the file has it: most objects outlive a test."""
        digest = hash(text)
        if digest not in self.noted:
            self.noted.add(digest)
            self.note(name, text)

    def add_secret(self, value: str) -> None:
        """Search for *value* too, if it is as random as a secret."""
        plain = value + ""
        if RANDOM.fullmatch(plain):
            self.values.add(plain)

    def plant(self, path: Path, length: int) -> None:
        """Write a new secret of *length* characters to *path*, where a deployment will use it."""
        value = "".join(
            secrets.choice("bcdfghjkmnpqrstvwxzBCDFGHJKMNPQRSTVWXZ23456789") for _ in range(length)
        )
        self.values.add(value)
        write_private(path, value)

    def gather(self, root: Path, name: str) -> None:
        """Add the logs below *root* to the evidence *name*."""
        for pattern in LOGS:
            for log in root.rglob(pattern):
                if log.is_file() and self.folder not in log.parents:
                    self.note(f"{name}.logs", log.read_text(encoding="utf-8", errors="replace"))

    def search(self) -> list[str]:
        """Return the places of secrets in the evidence, as ``file:line``."""
        search = SecretSearch(self.folder, self.values)
        files = sorted(path for path in self.folder.iterdir() if path.suffix != NEEDLES)
        self.size = sum(path.stat().st_size for path in files)
        self.needles = len(search.texts)
        self.found = list(search.find(files))
        return self.found


_sweep: Sweep | None = None
#: What each worker of pytest-xdist has searched. The process that starts them runs no test.
_workers: list[Mapping[str, Any]] = []
_OUTPUT: Final = "canaries"
_crashed: list[str] = []
_undo: list[Callable[[], None]] = []


def plant(layout: Layout) -> None:
    """Write two planted secrets to the deployment of *layout*, of 32 and of 8 bytes."""
    if _sweep is not None:
        layout.create()
        _sweep.plant(layout.passwords / "redis", 32)
        _sweep.plant(layout.mail_accounts / "gaara-store", 8)


@pytest.hookimpl(trylast=True)  # because pytest creates its temporary folder in this hook too
def pytest_configure(config: pytest.Config) -> None:
    global _sweep  # noqa: PLW0603 (one for each run)
    if config.option.collectonly or getattr(config.option, "numprocesses", None):
        return
    factory = config._tmp_path_factory  # type: ignore[attr-defined] # it has no public name
    _sweep = Sweep(factory.mktemp("canaries"))
    _watch(_sweep)


def _watch(sweep: Sweep) -> None:
    def learn_live(registry: secret_registry.SecretRegistry, value: str) -> None:
        if registry is secret_registry.live:
            sweep.add_secret(value)

    def learn_token(_kind: type[methods.Token], auth: Auth) -> None:
        sweep.add_secret(auth.client_token)

    def note_child(_child: Any, args: Any, *_: Any, **options: Any) -> None:
        variables = options.get("env") or os.environ
        sweep.note("children", f"{args!r} {dict(variables)!r}")

    def gather_first(started: StartedDeployment) -> None:
        if started.layout.root.exists():
            _gather_deployment(sweep, started.layout)

    def note_error(_error: StrongroomError, *args: object) -> None:
        sweep.note("errors", repr(args))

    _call_before(secret_registry.SecretRegistry, "add", learn_live)
    _call_before(methods.Token, "from_auth", learn_token)
    _call_before(subprocess.Popen, "__init__", note_child)
    _call_before(StartedDeployment, "reset", gather_first)
    _call_before(StrongroomError, "__init__", note_error)


def _call_before(owner: Any, name: str, hook: Callable[..., None]) -> None:
    """Call *hook* before each call of a method, with the same arguments."""
    own = owner.__dict__.get(name)
    is_of_class = isinstance(own, classmethod)
    original = own.__func__ if is_of_class else getattr(owner, name)

    def method(first: Any, *arguments: Any, **options: Any) -> Any:
        hook(first, *arguments, **options)
        return original(first, *arguments, **options)

    setattr(owner, name, classmethod(method) if is_of_class else method)
    _undo.append((lambda: setattr(owner, name, own)) if own else (lambda: delattr(owner, name)))


def _gather_deployment(sweep: Sweep, layout: Layout) -> None:
    """Add the deployment's logs, and its secrets: passwords, credentials, keys, delivered files."""
    sweep.gather(layout.root, "deployment")
    files = [*layout.passwords.rglob("*"), *layout.mail_accounts.glob("*")]
    secret_ids = layout.root.glob("*credentials/*/secret-id")
    for path in (*filter(Path.is_file, files), *secret_ids, *layout.vault.glob("*-key")):
        sweep.add_secret(path.read_text(encoding="utf-8").strip())
    for path in layout.root.glob("config/*/app.yaml"):
        for section in yaml.safe_load(path.read_text(encoding="utf-8")).values():
            for name, value in section.items() if isinstance(section, dict) else ():
                if name in {"secret", "password"}:
                    sweep.add_secret(str(value))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Pause the collector of cycles, which takes a third of the imports' time and finds nothing."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Let the collector pass over what imports made: nearly all of a million objects outlive a run.

    A search after each file for own objects then reads only newer ones, and these.
    """
    if _sweep is not None:
        gc.collect()
        _sweep.imported = _own_objects()
        gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add the output and log of a test, and the traceback if it failed."""
    if _sweep is not None:
        # The report of the teardown repeats the sections of the earlier reports.
        sections = report.sections if report.when == "teardown" else []
        text = "\n".join(content for _, content in sections)
        _sweep.note("output", f"{report.nodeid}\n{text}\n{report.longreprtext}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None, item: pytest.Item) -> Generator[None]:
    """Add the child processes after a test with real servers, and all objects after a file."""
    if _sweep is not None:
        if item.get_closest_marker("requires"):
            _note_processes(_sweep)
        if nextitem is None or nextitem.path != item.path:
            _note_objects(_sweep)
    return (yield)


def _note_processes(sweep: Sweep) -> None:
    for process in psutil.Process().children(recursive=True):
        try:
            sweep.note("processes", f"{process.cmdline()!r} {process.environ()!r}")
        except psutil.Error:  # because the process has ended
            continue


def _note_objects(sweep: Sweep) -> None:
    for each in (*sweep.imported, *_own_objects()):
        try:
            sweep.note_once("reprs", repr(each))
        except Exception as error:  # noqa: BLE001 (incomplete objects of tests)
            sweep.note_once("reprs", f"{type(each).__name__}: {error!r}")


def _own_objects() -> list[Any]:
    """Return the objects of the project's classes that the collector does not pass over."""
    found = gc.get_objects()
    # Few classes have nearly all of the objects.
    own = {each for each in set(map(type, found)) if _is_own(each)}
    return [each for each in found if type(each) in own]


def _is_own(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] in PACKAGES


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Search the evidence, and fail the run if it contains a secret."""
    if _sweep is None:
        if _crashed or any(each["found"] for each in _workers):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        return
    while _undo:
        _undo.pop()()
    gc.unfreeze()
    _sweep.gather(_sweep.folder.parent, "files")
    if _sweep.search():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_OUTPUT] = _describe(_sweep)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker of pytest-xdist has searched."""
    found = getattr(node, "workeroutput", {}).get(_OUTPUT)
    if found is None:
        _crashed.append(node.gateway.id)
    else:
        _workers.append(found)


def _describe(sweep: Sweep) -> dict[str, Any]:
    searched = f"{len(sweep.values)} secrets in {sweep.needles} encodings, {sweep.size} bytes"
    return {"searched": searched, "found": sweep.found}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was searched, and the places of secrets without their values."""
    for found in _workers if _sweep is None else [_describe(_sweep)]:
        terminalreporter.write_line(f"canaries: {found['searched']}: {len(found['found'])} found")
        for place in found["found"][:50]:
            terminalreporter.write_line(f"canaries: found a secret in {place}", red=True)
    for worker in _crashed:
        terminalreporter.write_line(f"canaries: {worker} ended without its search", red=True)
