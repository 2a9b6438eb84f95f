"""The store of audit lines, read through DuckDB."""

from pathlib import Path

import duckdb
import pytest

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
