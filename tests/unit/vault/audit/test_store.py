"""The store of audit lines, read through DuckDB."""

from pathlib import Path

import duckdb
import pytest

from app_integration.errors import ConfigurationError
from tests.support.models.audit_lines import line, write_store
from vault.audit.ingest.ingestion import ingest
from vault.audit.store import open_store


def test_views_of_empty_store_have_columns(tmp_path: Path) -> None:
    with open_store(tmp_path) as connection:
        found = connection.execute(
            "SELECT (SELECT count(actor) FROM events), (SELECT count(device) FROM lines),"
            " (SELECT count(request_id) FROM records)"
        ).fetchall()
    assert found == [(0, 0, 0)]


def test_connection_reads_below_folder_only(tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a\n1\n")
    with (
        open_store(tmp_path / "store") as connection,
        pytest.raises(duckdb.PermissionException, match="disabled"),
    ):
        connection.execute(f"SELECT * FROM read_csv('{other}')")


@pytest.mark.parametrize("name", ["a[b]", "a*", "a?", "a\\b"])
def test_store_in_a_folder_that_duckdb_takes_for_a_pattern_is_refused(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    with pytest.raises(ConfigurationError, match="name another folder with --store"):
        ingest([], folder)
    assert not folder.exists()
    with (
        pytest.raises(ConfigurationError, match="name another folder with --store"),
        open_store(folder),
    ):
        pass


def test_store_may_be_in_a_folder_with_a_quote(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", [line("/")]).rename(tmp_path / "it's")
    with open_store(store) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
