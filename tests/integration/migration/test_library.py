"""A migration from Python, and the command on the same state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import text

from app_integration import database_engine
from app_integration.errors import ConfigurationError
from migration import Migration, MigrationBusy, MigrationFailed, RunProgress, Stage
from migration.copies import Copies
from migration.passes.passes import PassKind
from tests.integration.migration.test_migrate_command import ROWS, Site, names, with_tenants
from tests.support.polling import wait_until
from tests.support.servers.deployment import Deployment

pytestmark = [pytest.mark.requires("embedded"), pytest.mark.usefixtures("default_client_on_server")]

PAGE: Final = Path(__file__).parents[3] / "docs" / "howto" / "Migration.md"
#: Bytes that are free at the database, which a leased user may not measure.
FREE: Final = 1 << 40
#: Rows of further batches.
_MORE: Final = (
    f"INSERT INTO tenants SELECT n, 'more ' || n FROM generate_series({ROWS + 1}, {ROWS + 1000}) n"
)


@pytest.fixture
def site(
    deployment: Deployment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Site]:
    """Yield a plan, and the command on it, in a process with an application's variables."""
    site = Site(tmp_path / "users.yaml", deployment.layout.root, monkeypatch, capsys)
    for name, value in deployment.variables.items():
        monkeypatch.setenv(name, value)
    with with_tenants(site):
        yield site


def library(site: Site) -> AbstractContextManager[Migration]:
    return Migration.open(site.file, "dev", duty=1, free=FREE)


def test_command_and_library_go_on_with_what_the_other_did(site: Site) -> None:
    with library(site) as tenants:
        assert tenants.status().state is None
        shown = json.loads(site.run("plan", "--json", "--duty", "1"))
        forecast = tenants.plan()
        assert shown == {**shown, **forecast.outlook.to_json()}
        assert tenants.run(Stage.GUARDED).stage is Stage.GUARDED
    assert site.status()["stage"] == "guarded"
    assert "indexed:" in site.run("run", "--wait", "--postpone", "--duty", "1")
    with library(site) as tenants:
        assert tenants.run().stage is Stage.SWITCHED
        with pytest.raises(ConfigurationError, match="becomes dropped only after nulled"):
            tenants.run(Stage.DROPPED)
        outcome = tenants.run(Stage.NULLED)
        assert (outcome.stage, outcome.waiting) == (Stage.NULLED, None)
        assert isinstance(outcome.copies, Copies)
        assert [*outcome.copies.found] == ["public.tenants"]
    assert "switched" in site.run("undo", "--yes")
    with library(site) as tenants:
        assert tenants.run(Stage.NULLED).stage is Stage.NULLED
        assert tenants.run(Stage.DROPPED).stage is Stage.DROPPED
        status = tenants.status()
    assert status.state is not None
    found = site.status()
    assert (found["stage"], found["pass"]) == (status.state.stage, status.running)
    assert [each["event"] for each in found["events"]] == [each.event for each in status.events]
    assert names() == {"id", "name_token", "name_index"}


def test_run_that_its_program_ends_is_continued(site: Site) -> None:
    with database_engine().begin() as connection:
        connection.execute(text(_MORE))
    seen: list[RunProgress] = []

    def stop(progress: RunProgress) -> None:
        seen.append(progress)
        if progress.rows:
            raise TimeoutError

    with library(site) as tenants:
        waiting = tenants.run(Stage.INDEXED, seen.append).waiting
        assert waiting is not None
        assert waiting.stage is Stage.GUARDED
        wait_until(
            lambda: tenants.run(Stage.DUAL_WRITING, seen.append).waiting is None, "it is quiet"
        )
        with pytest.raises(TimeoutError):
            tenants.run(Stage.INDEXED, stop)
        status = tenants.status()
        assert (status.running, status.progress.rows) == ("backfill 1", seen[-1].rows)
        assert site.status()["pass"]["rows"] == seen[-1].rows < ROWS + 1000
        assert tenants.run(Stage.INDEXED, seen.append).stage is Stage.INDEXED
    entered = [each.stage for each in seen if each.kind is None]
    assert entered == [*Stage][: entered.index(Stage.INDEXED) + 1]
    assert {each.kind for each in seen} == {None, PassKind.BACKFILL, PassKind.VERIFY}
    assert any(each.rest is not None and each.rest.workers for each in seen)


def test_only_one_process_changes_the_stage_and_a_fault_is_one_error(site: Site) -> None:
    with library(site) as tenants, tenants.context.lock(), pytest.raises(MigrationBusy):
        tenants.run(Stage.GUARDED)
    site.write(table="lodgers")
    with pytest.raises(MigrationFailed, match="has no table lodgers"), library(site) as lodgers:
        lodgers.plan()


def test_code_of_the_page_migrates(site: Site) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("\n## From Python\n")[2]
    (code,) = re.findall(r"```python\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)
    page: dict[str, Any] = {}
    exec(compile(code, str(PAGE), "exec"), page)  # noqa: S102 (of this repository's page)
    with site.monkeypatch.context() as moved:
        moved.chdir(site.file.parent)
        assert page["forecast"]("dev") > 0
        wait_until(lambda: page["go_on"]("dev") is None, "it is indexed")
        assert page["stage"]("dev") == "indexed"
    assert f"dual-writing backfill {ROWS} " in site.capsys.readouterr().out
    assert site.status()["stage"] == "indexed"
