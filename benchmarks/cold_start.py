"""Benchmark of a new process's first secret, and of the memory after a thousand, against hvac.

    python -m benchmarks.cold_start [--turns 15]

Each process imports its library, logs in by AppRole and reads, on one server, and tells when it has
the secret. The time of the processor counts all of its threads, and leaves out what the server and
other processes do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from app_integration.testing.application import FILES, Application, application_on_server
from app_integration.testing.dev_server import real_server
from benchmarks.ratio import Case, Result, measure, read_turns, repeated, report

TURNS: Final = 15
SECRETS: Final = 1000
_NAME: Final = "database-url"
_START_BAR: Final = 1.3
_MEMORY_BAR: Final = 1.1
_OURS: Final = "from app_integration import get_secret"
_HVAC: Final = """
import os, hvac
from pathlib import Path
role, secret = (
    Path(os.environ[f"STRONGROOM_{name}_ID_FILE"]).read_text() for name in ("ROLE", "SECRET")
)
client = hvac.Client(url=os.environ["VAULT_ADDR"])
client.auth.approle.login(role_id=role, secret_id=secret)
def get_secret(name):
    path = f"{os.environ['STRONGROOM_SERVICE']}/staging/{name}"
    read = client.secrets.kv.v2.read_secret_version(path=path, raise_on_deleted_version=True)
    return read["data"]["data"]["value"]
"""
_READ_ONE: Final = f"""
get_secret({_NAME!r}) or exit(1)
import time
print(time.process_time(), time.monotonic())
"""
#: Both processes keep the values, as an application does.
_READ_MANY: Final = f"""
kept = [get_secret(f"api-key-{{number}}") for number in range({SECRETS})]
import resource
from pathlib import Path
print(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize())
"""


class Starts:
    """Starts of processes, and the seconds that they took together until their first secret."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.processor = self.clock = 0.0

    def run(self, code: str, times: int) -> None:
        """Start as many processes with *code*, one after another."""
        for _ in range(times):
            start = time.monotonic()
            processor, end = _output(code + _READ_ONE, self._variables).split()
            self.processor += float(processor)
            self.clock += float(end) - start


@contextmanager
def application() -> Iterator[tuple[Application, Mapping[str, str]]]:
    """Run a server, and yield an application on it and the variables of its processes."""
    with (
        real_server("embedded") as server,
        TemporaryDirectory() as folder,
        application_on_server(server.address, server.root_token, Path(folder)) as app,
    ):
        yield app, _variables(app, server.address, Path(folder))


def compiling() -> dict[str, str]:
    """Return this process's variables without that which makes each child compile all modules."""
    return {name: each for name, each in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _variables(app: Application, address: str, folder: Path) -> dict[str, str]:
    role_id, secret_id = (str(folder / name) for name in FILES)
    return {
        **compiling(),
        "VAULT_ADDR": address,
        "STRONGROOM_SERVICE": app.scope.service,
        "ENVIRONMENT": str(app.scope.environment),
        "STRONGROOM_ROLE_ID_FILE": role_id,
        "STRONGROOM_SECRET_ID_FILE": secret_id,
        "STRONGROOM_AUDIT_FILE": str(folder / "access.jsonl"),
    }


def first_secret(app: Application, variables: Mapping[str, str]) -> Iterator[Case]:
    """Yield a new process's first secret, by the processor's time and by the clock."""
    app.put(_NAME, "postgresql://shop@db/shop")
    starts = Starts(variables)
    ours, theirs = (partial(starts.run, code) for code in (_OURS, _HVAC))
    for run in (ours, theirs):
        run(1)  # compiles the modules
    for name, bar, clock in (
        ("first secret, processor", _START_BAR, lambda: starts.processor),
        ("first secret, clock", None, lambda: starts.clock),
    ):
        yield Case(name, ours, theirs, "hvac's first secret", bar, calls=1, clock=clock)


def memory(app: Application, variables: Mapping[str, str]) -> Result:
    """Return the resident memory after :data:`SECRETS` secrets, beside that of hvac's client."""
    for number in range(SECRETS):
        app.put(f"api-key-{number}", f"a-key-of-thirty-two-bytes-{number:06}")
    ours, theirs = (partial(_resident, code + _READ_MANY, variables) for code in (_OURS, _HVAC))
    case = Case(
        f"memory after {SECRETS:,} secrets",
        repeated(ours),
        repeated(theirs),
        "hvac's client",
        bar=_MEMORY_BAR,
        shown=lambda size: f"{size / 2**20:.1f} MiB",
    )
    return Result(case, ours(), theirs())


def _resident(code: str, variables: Mapping[str, str]) -> float:
    """Return the bytes of memory that a process with *code* reports at its end."""
    return float(_output(code, variables))


def _output(code: str, variables: Mapping[str, str]) -> bytes:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=variables, check=True, stdout=subprocess.PIPE).stdout


def main() -> int:
    """Measure all cases and print them."""
    turns = read_turns(__doc__, TURNS)
    with application() as (app, variables):
        found = [measure(case, turns) for case in first_secret(app, variables)]
        return report([*found, memory(app, variables)])


if __name__ == "__main__":
    sys.exit(main())
