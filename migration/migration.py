"""One migration, for the command and for programs of a team."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app_integration.errors import ConfigurationError
from migration.pace import DEFAULT_DUTY
from migration.run_progress import ProgressWatch, RunProgress
from migration.stage import Stage

# Imported when they are used, because ``import migration`` loads this module.
if TYPE_CHECKING:
    from migration.copies import Copies
    from migration.course import Waiting
    from migration.forecast.forecast import Forecast
    from migration.migration_context import MigrationContext
    from migration.passes.passes import PassKind, RunWorkers
    from migration.passes.ranges import Ranges
    from migration.status import Status


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        stage: The stage that the migration is in.
        waiting: Why it does not go on now, and until when; None if it is where it was to be.
        copies: Where triggers may have copied plaintext, after it was taken away.

    """

    stage: Stage | None
    waiting: Waiting | None = None
    copies: Copies | None = None


class Migration:
    """One migration. Its state is in the database, so that any process continues it.

    Attributes:
        context: What each step needs.

    """

    def __init__(self, context: MigrationContext) -> None:
        """Read nothing yet. A program of a team calls :meth:`open`."""
        self.context = context

    @classmethod
    @contextmanager
    def open(
        cls,
        plan: str | Path,
        env: str,
        *,
        role: str | None = None,
        duty: float = DEFAULT_DUTY,
        free: int | None = None,
    ) -> Iterator[Migration]:
        """Open a migration for the block, and log out after it.

        Within the block, errors of psycopg become :class:`MigrationFailed`.

        Args:
            plan: The YAML file that plans it.
            env: The environment, such as ``prod``.
            role: A database role of the service, in place of the default one.
            duty: The largest part of its time that the worker works, from 0 to 1.
            free: Bytes that are free where the database keeps its files; None to measure them.

        Yields:
            The migration, with the login that this process's variables name for the plan's service.

        Raises:
            ConfigurationError: If the plan is not valid, or the variables name no server or login.
            MigrationFailed: If the database is not reachable, or rejects a statement.

        """
        from migration import plan as plans
        from migration.service_context import open_client, open_context

        read = plans.read(Path(plan), None)
        with (
            open_client(read.service, env) as client,
            open_context(read, client, role, duty=duty, free=free) as context,
        ):
            yield cls(context)

    def plan(self) -> Forecast:
        """Return what each stage does, locks and takes. It changes nothing.

        Raises:
            PlanRefused: If the plan does not fit the table.

        """
        from migration.forecast import forecast

        context = self.context
        with context.connect() as connection:
            if context.read_state(connection) is None:
                forecast.check_plan(context, connection, context.read_table(connection))
            return forecast.read(context, connection)

    def status(self) -> Status:
        """Return how far the migration is, who bypasses it, and what happened to it."""
        from migration import status

        with self.context.connect() as connection:
            return status.read(self.context, connection)

    def run(
        self,
        to: Stage = Stage.SWITCHED,
        on_progress: Callable[[RunProgress], object] | None = None,
        *,
        decrypt: bool = False,
    ) -> Outcome:
        """Go on until the stage *to*, with one worker in this process.

        Args:
            to: ``NULLED`` and ``DROPPED`` take the old values away, and are never passed through:
                each needs the stage before it.
            on_progress: Called with each stage that is entered, and about once a batch. What it
                raises ends the run, which the next one continues.
            decrypt: Whether a plan that decrypts may write plaintext. It needs that until
                ``BACKFILLED``.

        Returns:
            The outcome. It has ``waiting`` if applications wrote without tokens lately.

        Raises:
            ConfigurationError: If *to* or *decrypt* do not fit the state, or nobody knows whether
                there is room.
            MigrationBusy: If another process changes the stage now.

        """
        self.check_run(to, decrypt=decrypt)
        watch = ProgressWatch(on_progress or (lambda _: None), self.context.find_stage())

        def work(kind: PassKind, pass_: Ranges) -> None:
            from migration.passes.pass_worker import PassWorker
            from migration.passes.throttle import Limits

            watch.begin(kind)
            PassWorker(self.context, watch, Limits(), duty=self.context.duty).run(kind, pass_)

        return self.advance(to, work, watch.enter)

    def check_run(self, to: Stage, *, decrypt: bool) -> bool:
        """Check that a run to the stage *to* may begin, and is wanted if it decrypts.

        Returns:
            Whether it may write the first plaintext. The application writes it from the begin on,
            and the backfill does for all other rows.

        """
        from migration.course import check_order

        context, plan = self.context, self.context.plan
        check_order(context, to)
        if not plan.is_decrypting:
            if decrypt:
                raise ConfigurationError(
                    f"migration {context.name}: no column of the plan is decrypted; run the command"
                    " without --decrypt"
                )
            return False
        stage = context.find_stage()
        if stage is not None and not stage.is_before(Stage.BACKFILLED):
            return False
        if not decrypt:
            raise ConfigurationError(
                f"migration {context.name}: {plan.exposure}. Pass --decrypt, or decrypt=True, if"
                " that is what you want, until each row is decrypted"
            )
        return True

    def advance(self, to: Stage, run: RunWorkers, on_stage: Callable[[Stage], object]) -> Outcome:
        """Go on until the stage *to*, with workers of the caller. See :meth:`run`."""
        from migration import copies
        from migration.course import Course

        context = self.context
        # Before the passes, because afterwards each row was written last.
        takes_plaintext = to in (Stage.NULLED, Stage.DROPPED) and not context.plan.is_decrypting
        values = copies.choose(context) if takes_plaintext else None
        waiting = Course(context, run, on_stage).advance(to)
        found = None if values is None else copies.search(context, values)
        return Outcome(context.find_stage(), waiting, found)
