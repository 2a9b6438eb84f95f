"""Online migration of plaintext columns to encrypted ones, on PostgreSQL.

>>> from migration import Migration, Stage
>>> with Migration.open("users.yaml", "prod") as users:    # doctest: +SKIP
...     users.run(Stage.INDEXED)

``docs/howto/Migration.md`` says what a plan and the stages are.
"""

from __future__ import annotations

from migration.errors import MigrationBusy, MigrationFailed
from migration.migration import Migration
from migration.run_progress import RunProgress
from migration.stage import Stage

__all__ = ["Migration", "MigrationBusy", "MigrationFailed", "RunProgress", "Stage"]
