"""Everything that an earlier commit has stored on a site: this version goes on with it.

:mod:`tests.support.processes.saved_site` has made the sites, and says what is in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.processes import forked_command
from tests.support.processes.saved_site import (
    APPLICATION,
    BUILD,
    COMPAT,
    ENV,
    ROOT,
    SITE,
    TOKEN,
    VALUE,
    VENV,
    Commands,
    locked_base,
    unpack,
)
from vault.reconcile.planning import plan_file

pytestmark = pytest.mark.requires("embedded")

STORED: Final = SITE / "stored"
READ: Final = f"""{APPLICATION}
written = json.loads((stored / "tokens.json").read_text())
found = {{"text": sdk.decrypt_field(written["text"], context=CONTEXT)}}
for name, store in (("table", data_keys), ("file", file_keys)):
    sdk.use_data_keys(store)
    found[name] = sdk.decrypt_field(bytes.fromhex(written[name]), context=CONTEXT)
declare()
found["index"] = sdk.blind_index("users.email", VALUE).hex() == written["index"]
found["secret"] = sdk.get_secret("carrier-token").reveal()
print(json.dumps(found))
sdk.close()
"""


@pytest.fixture(scope="module", params=sorted(path.parent.name for path in COMPAT.glob("*/*.xz")))
def site(request: pytest.FixtureRequest) -> Iterator[Commands]:
    """Yield the commands of this version, on a site that its ``up`` has started."""
    with locked_base(ROOT):
        unpack(request.param)
        run = Commands(forked_command.command(), VENV / "bin" / "python")
        done = run("up")
        assert done.returncode == 0, done.stderr
        yield run
        assert run("reset", "--yes").returncode == 0


def test_deployment_goes_on_with_its_delivered_file_and_an_empty_plan(site: Commands) -> None:
    assert TOKEN in (SITE / ".strongroom/config/tracking/app.yaml").read_text()
    assert site("plan", "--env", "dev").returncode == 0
    status = site("status")
    assert (status.returncode, "unchanged" in status.stdout) == (0, True), status.stdout


def test_application_reads_its_secret_and_tokens(site: Commands) -> None:
    found = json.loads(site.application(READ))
    texts = dict.fromkeys(("text", "table", "file"), VALUE)
    assert found == {**texts, "index": True, "secret": TOKEN}


def test_rotation_that_waited_for_its_consumers_is_undone(site: Commands) -> None:
    done = site("rotate", "signing-key", *ENV, "--undo")
    assert (done.returncode, "signing-key: undone" in done.stdout) == (0, True), done.stdout


def test_saved_plan_is_read_and_not_applied_twice(site: Commands) -> None:
    saved = plan_file.load(STORED / "plan.json")
    assert "secret-value" in {each["kind"] for each in saved.changes}
    assert "the server changed since this plan was made" in site("apply", "stored/plan.json").stderr


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("logs", "read", "stored/logs", *ENV), "a record of the site"),
        (("decrypt-file", "stored/report.csv.encrypted", *ENV, "--context", "of=report"), "total"),
        (("audit", "verify", "stored/audit-archive", *ENV), "2 decrypted"),
        (("audit", "read", "stored/audit-archive", *ENV), '"type":"response"'),
        (("backups", "--folder", "stored/backups"), "1 table, 3 rows"),
        (("restore-database", "--drill", "stored/backups/*"), "can be restored: 1 table, 3 rows"),
        (BUILD, "wrote stored/agent/agent.hcl"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_command_opens_what_was_stored(
    site: Commands, command: tuple[str, ...], expected: str
) -> None:
    backup = next(STORED.glob("backups/*.encrypted"))
    done = site(*(str(backup) if "*" in each else each for each in command))
    assert (done.returncode, expected in done.stdout) == (0, True), f"{done.stdout}{done.stderr}"


def test_store_of_audit_lines_goes_on(site: Commands) -> None:
    """Its lines are older than those in the log, which the archiving has renamed."""
    before = {path.name for path in STORED.glob("audit-store/events/*")}
    question = ("audit", "who", "carrier-token", *ENV, "--since", "2026-12-01")
    done = site(*question, "--store", "stored/audit-store")
    assert (done.returncode, "tracking-dev" in done.stdout) == (0, True), done.stderr
    assert before < {path.name for path in STORED.glob("audit-store/events/*")}
