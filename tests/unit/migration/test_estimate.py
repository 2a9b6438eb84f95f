"""Estimates of passes, beyond what a test can write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from migration.forecast import estimate
from migration.forecast.estimate import Estimate, Estimator, Speed
from migration.forecast.sample import Checkpoints, Files, Plaintexts, Sample
from migration.table.migrated_table import (
    DecryptedColumn,
    IndexedColumn,
    MigratedColumn,
    MigratedTable,
)

TABLE: Final = MigratedTable(
    "public",
    "users",
    ("id",),
    (MigratedColumn("email", "email_token", ("id",)),),
    (IndexedColumn("email_index", "email"),),
)
GB: Final = 1 << 30
SAMPLE: Final = Sample(
    rows=10_000_000,
    filled=10_000_000,
    row=100.0,
    written=0.0,
    is_scattered=False,
    plaintexts={"email": Plaintexts(1.0, 20.0)},
    files=Files(main=GB, whole=GB, indexes=GB // 4, index_count=1),
    checkpoints=Checkpoints(300.0, 100 * GB),
)


def estimator(**changed: Any) -> Estimator:
    return Estimator(TABLE, replace(SAMPLE, **changed), Speed(), has_data_keys=True)


@pytest.mark.parametrize(("size", "has_data_keys"), [(53.0, True), (204.0, False)])
def test_value_in_an_old_token_is_estimated_from_its_size(size: float, has_data_keys: bool) -> None:
    found = estimate.value_size(size, has_data_keys=has_data_keys)
    assert found == pytest.approx(20, abs=3)
    assert estimate.value_size(1.0, has_data_keys=has_data_keys) == 0.0


def test_duty_and_speed_make_the_time() -> None:
    slow = Estimator(TABLE, SAMPLE, Speed(1000.0, 0.5), has_data_keys=True)
    assert slow.backfill().seconds == 20_000.0
    assert slow.verification().seconds == pytest.approx(20_000.0 / 1.8)
    assert slow.verification().files == slow.verification().wal == 0


def test_rows_without_plaintext_are_only_read() -> None:
    full, sparse = estimator(), estimator(filled=100_000)
    assert sparse.backfill().heap == pytest.approx(full.backfill().heap / 100, rel=0.01)
    assert sparse.backfill().indexes == pytest.approx(full.backfill().indexes / 100, rel=0.01)
    assert sparse.backfill().seconds == full.backfill().seconds / 100
    assert sparse.verification() == full.verification()
    assert sparse.index_build().indexes == full.index_build().indexes
    assert estimator(filled=0, row=0.0).nulling().heap == 0


def test_passes_before_the_switch_add_up() -> None:
    found = estimator()
    backfill, build = found.backfill(), found.index_build()
    together = found.before_switch()
    assert together.files == backfill.files + build.files
    assert together.wal == backfill.wal + build.wal
    checked = found.verification().seconds
    assert together.seconds == backfill.seconds + checked + build.seconds


def test_tokens_that_carry_their_data_key_take_more() -> None:
    text = Estimator(TABLE, SAMPLE, Speed(), has_data_keys=False).backfill()
    assert text.heap - estimator().backfill().heap > 1.25 * 140 * SAMPLE.rows


def test_scattered_rows_are_logged_again_after_each_checkpoint() -> None:
    ordered, scattered = estimator().backfill(), estimator(is_scattered=True).backfill()
    checkpoints = int(ordered.seconds / 300)
    assert scattered.wal - ordered.wal == pytest.approx(1.25 * checkpoints * GB, rel=0.01)
    small = Checkpoints(300.0, GB // 4)
    assert estimator(is_scattered=True, checkpoints=small).backfill().wal > 2 * scattered.wal


def test_row_makes_the_server_log_one_block_of_each_file() -> None:
    found = estimator(
        rows=1000, filled=1000, is_scattered=True, checkpoints=Checkpoints(0.01, GB)
    ).backfill()
    assert found.wal < 1.25 * (GB + 1000 * (2 * 8192 + 1000))


def test_old_rows_in_the_log_and_free_space_in_blocks_count() -> None:
    files = replace(SAMPLE.files, fillfactor=50, logs_old_rows=True)
    found, plain = estimator(files=files).backfill(), estimator().backfill()
    assert found.heap == pytest.approx(2 * plain.heap, rel=0.01)
    assert found.wal - plain.wal == pytest.approx(1.25 * 100 * SAMPLE.rows, rel=0.01)


def test_empty_table_takes_nothing_but_an_index() -> None:
    nothing = {"email": Plaintexts(0.0, 0.0)}
    files = Files(main=0, whole=0, indexes=0, index_count=1)
    empty = estimator(rows=0, filled=0, row=0.0, plaintexts=nothing, files=files)
    assert empty.backfill() == empty.nulling() == Estimate()
    assert empty.index_build().indexes < 100_000
    plain = replace(TABLE, indexes=())
    sample = replace(SAMPLE, rows=0, filled=0, row=0.0, plaintexts=nothing, files=files)
    assert Estimator(plain, sample, Speed(), has_data_keys=True).index_build() == Estimate()


def test_plaintext_takes_less_than_a_token_and_more_than_its_value() -> None:
    decrypted = DecryptedColumn("text", "email_token_hash")
    table = replace(
        TABLE,
        columns=(MigratedColumn("email", "email_2", (), ("id",), decrypted=decrypted),),
        indexes=(),
    )
    tokens = Estimator(replace(TABLE, indexes=()), SAMPLE, Speed(), has_data_keys=False)
    found = Estimator(table, SAMPLE, Speed(), has_data_keys=False).backfill()
    assert SAMPLE.filled * (SAMPLE.row + 20 + 32) < found.heap < tokens.backfill().heap
