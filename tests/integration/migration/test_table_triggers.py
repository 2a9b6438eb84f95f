"""Passes over a table that has triggers of its own, and the guard beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, LiteralString

import pytest
from psycopg import Connection
from psycopg.sql import SQL, Identifier

from migration import way_back
from migration.forecast import forecast
from migration.stage import Stage
from migration.table.table_triggers import TriggersFire
from tests.integration.migration.test_course import ROWS, Hotel, changed_plan
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.course_driver import Meanwhile

pytestmark = pytest.mark.requires("embedded")

_AUDIT: Final = """
    CREATE TABLE audit_log (number bigint GENERATED ALWAYS AS IDENTITY, old jsonb, new jsonb);
    ALTER TABLE guests ADD COLUMN updated_at timestamptz NOT NULL DEFAULT '2020-01-01Z';
    CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit_log (old, new) VALUES (to_jsonb(OLD), to_jsonb(NEW)); RETURN NULL;
    END $$;
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.updated_at := now(); RETURN NEW;
    END $$;
    CREATE TRIGGER audit AFTER UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION audit();
    CREATE TRIGGER touch BEFORE UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION touch();
    ALTER TABLE guests OWNER TO clerk;
    ALTER TABLE audit_log OWNER TO clerk;
"""
_NO_TRIGGERS: Final = "DROP TRIGGER audit ON guests; DROP TRIGGER touch ON guests"
_CLERK: Final[LiteralString] = "clerk"
_GRANT: Final = "GRANT SET ON PARAMETER session_replication_role TO clerk"


class ClerksHotel(Hotel):
    """A hotel whose commands run as a user who is no superuser."""

    free = 2**40

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with super().connect() as connection:
            connection.execute(SQL("SET ROLE {}").format(Identifier(_CLERK)))
            try:
                yield connection
            finally:
                connection.execute("RESET ROLE")


@pytest.fixture
def hotel(database: OwnDatabase) -> Iterator[ClerksHotel]:
    with database.connect() as connection:
        connection.execute("CREATE ROLE clerk; GRANT ALL ON SCHEMA public TO clerk")
        name = Identifier(database.name)
        connection.execute(SQL("GRANT CREATE ON DATABASE {} TO clerk").format(name))
    with Hotel(database).with_table() as owners:
        owners.script(_AUDIT)
        with closing(ClerksHotel(database)) as clerks:
            yield clerks
    with database.connect() as connection:
        connection.execute("DROP TABLE audit_log; DROP FUNCTION audit, touch")
        connection.execute("DROP OWNED BY clerk; DROP ROLE clerk")


def admin(hotel: Hotel, statement: str) -> None:
    with hotel.database.connect() as connection:
        connection.execute(statement)


def counts(hotel: Hotel) -> tuple[int, int]:
    """Return the rows of the log, and the guests that were touched."""
    ((logged,),) = hotel.execute("SELECT count(*) FROM audit_log")
    ((touched,),) = hotel.execute("SELECT count(*) FROM guests WHERE updated_at > '2021-01-01Z'")
    return logged, touched


def test_passes_of_a_user_with_the_grant_fire_no_trigger(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    expected = hotel.plaintexts()
    hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)
    while hotel.undo() is not None:
        pass
    assert counts(hotel) == (0, 0)
    assert hotel.plaintexts() == expected
    # Those of other sessions, and of this one afterwards, fire as before.
    hotel.write_plaintext(1, "changed@example.com")
    assert counts(hotel) == (1, 1)


def test_guard_sees_writers_beside_passes_of_a_replica(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    hotel.advance(Stage.GUARDED)

    def bypass(_: object) -> None:
        with pytest.raises(Exception, match="brought no new token"):
            hotel.write_plaintext(2, "bypass@example.com")

    hotel.between = bypass
    hotel.advance(Stage.SWITCHED)
    assert hotel.passes == ["backfill", "verify"]
    assert hotel.opened() == hotel.plaintexts()


def test_guard_fires_for_a_replica_that_brings_no_token(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    hotel.advance(Stage.SWITCHED)
    with hotel.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL session_replication_role = replica")
        with pytest.raises(Exception, match="brought no new token"), connection.transaction():
            connection.execute("UPDATE guests SET email = 'late@example.com' WHERE id = 1")


def test_begin_without_grant_and_consent_is_refused_with_what_triggers_see(
    hotel: ClerksHotel,
) -> None:
    with pytest.raises(TriggersFire) as caught:
        hotel.advance(Stage.SWITCHED)
    message = str(caught.value)
    assert "audit of guests (AFTER UPDATE, audit()" in message
    assert "touch of guests (BEFORE UPDATE, touch()" in message
    assert "GRANT SET ON PARAMETER session_replication_role" in message
    assert "triggers: fire" in message
    assert hotel.stages == []
    assert counts(hotel) == (0, 0)


def test_triggers_fire_with_consent(hotel: ClerksHotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (ROWS, ROWS)


def test_consent_may_be_withdrawn_and_given_while_the_migration_runs(hotel: ClerksHotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.GUARDED)
    hotel.plan = changed_plan()
    with pytest.raises(TriggersFire):
        hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (0, 0)
    admin(hotel, _GRANT)
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (0, 0)


@pytest.mark.parametrize("state", ["ALWAYS", "REPLICA"])
def test_trigger_that_fires_for_a_replica_needs_consent(hotel: ClerksHotel, state: str) -> None:
    admin(hotel, _GRANT)
    hotel.execute(f"ALTER TABLE guests ENABLE {state} TRIGGER audit")
    with pytest.raises(TriggersFire, match="audit of guests") as caught:
        hotel.advance(Stage.SWITCHED)
    assert "touch" not in str(caught.value)
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (ROWS, 0)
    *_, last = [way_back.go_back(hotel.context(), hotel.run) for _ in range(3)]
    assert "audit of guests (AFTER UPDATE, audit()) may have fired for rows" in last.then
    assert "touch" not in last.then


def test_trigger_that_is_created_later_is_found_before_the_next_pass(hotel: ClerksHotel) -> None:
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER USER")
    hotel.advance(Stage.SWITCHED)
    hotel.execute("ALTER TABLE guests ENABLE TRIGGER audit")
    with pytest.raises(TriggersFire, match="audit of guests"):
        hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)


def test_trigger_that_comes_during_a_pass_of_a_replica_does_not_fire(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER USER")
    hotel.advance(Stage.DUAL_WRITING)
    hotel.watch = Meanwhile(lambda: hotel.execute("ALTER TABLE guests ENABLE TRIGGER audit"))
    hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)


@pytest.mark.parametrize("state", ["", "ALWAYS"])
def test_trigger_that_would_fire_and_comes_during_a_pass_ends_it(
    hotel: ClerksHotel, state: str
) -> None:
    if state:
        admin(hotel, _GRANT)
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER USER")
    hotel.advance(Stage.DUAL_WRITING)
    enable = f"ALTER TABLE guests ENABLE {state} TRIGGER audit"
    hotel.watch = Meanwhile(lambda: hotel.execute(enable))
    with pytest.raises(TriggersFire, match="passes would fire triggers: audit of guests"):
        hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER audit")
    hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)


def test_trigger_that_comes_during_a_pass_fires_with_consent(hotel: ClerksHotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER USER")
    hotel.advance(Stage.DUAL_WRITING)
    hotel.watch = Meanwhile(lambda: hotel.execute("ALTER TABLE guests ENABLE TRIGGER audit"))
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (ROWS - Hotel.batch, 0)
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER audit")
    *_, last = [way_back.go_back(hotel.context(), hotel.run) for _ in range(3)]
    assert "audit of guests (AFTER UPDATE, audit()) may have fired for rows" in last.then


def test_way_back_names_what_passes_fired_before_the_grant(hotel: ClerksHotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    admin(hotel, _GRANT)
    *_, last = [way_back.go_back(hotel.context(), hotel.run) for _ in range(3)]
    assert "audit of guests (AFTER UPDATE, audit()) may have fired for rows" in last.then
    assert "touch of guests (BEFORE UPDATE, touch()) may have fired for rows" in last.then
    # What an earlier migration of that name fired is not told again.
    hotel.advance(Stage.SWITCHED)
    *_, last = [way_back.go_back(hotel.context(), hotel.run) for _ in range(3)]
    assert last.then.startswith("the table is as it was before the migration")


def test_trigger_of_old_columns_fires_in_the_passes_that_name_them(hotel: ClerksHotel) -> None:
    hotel.script(_NO_TRIGGERS)
    hotel.execute(
        "CREATE TRIGGER audit AFTER UPDATE OF email ON guests FOR EACH ROW EXECUTE FUNCTION audit()"
    )
    with pytest.raises(TriggersFire, match="UPDATE OF email") as caught:
        hotel.advance(Stage.SWITCHED)
    assert "nulled" in str(caught.value)
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (0, 0)
    hotel.advance(Stage.NULLED)
    assert counts(hotel) == (ROWS, 0)


def test_trigger_of_statements_needs_consent_too(hotel: ClerksHotel) -> None:
    hotel.script(_NO_TRIGGERS)
    hotel.execute("CREATE TRIGGER audit AFTER UPDATE ON guests EXECUTE FUNCTION audit()")
    with pytest.raises(TriggersFire, match="fires for each batch of a pass, from backfilled on"):
        hotel.advance(Stage.SWITCHED)


def test_row_that_another_session_holds_is_left_to_the_next_pass(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    hotel.advance(Stage.GUARDED)
    with hotel.database.connect() as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM guests WHERE id = 5 FOR UPDATE")
        hotel.between = lambda _: other.execute("COMMIT")
        hotel.advance(Stage.SWITCHED)
    assert hotel.passes == ["backfill", "backfill", "verify"]
    assert hotel.opened() == hotel.plaintexts()
    assert counts(hotel) == (0, 0)


def test_trigger_of_other_columns_needs_nothing(hotel: ClerksHotel) -> None:
    hotel.script(_NO_TRIGGERS)
    hotel.execute(
        "CREATE TRIGGER audit AFTER UPDATE OF visits ON guests FOR EACH ROW"
        " EXECUTE FUNCTION audit()"
    )
    hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)


def test_replica_is_refused_whose_columns_the_database_checks_by_triggers(
    hotel: ClerksHotel,
) -> None:
    admin(hotel, _GRANT)
    admin(hotel, "ALTER TABLE guests ADD CONSTRAINT later UNIQUE (email) DEFERRABLE")
    with pytest.raises(TriggersFire, match=r"later of guests.* drop it"):
        hotel.advance(Stage.SWITCHED)
    assert hotel.stages == []


def test_deferrable_constraint_without_triggers_is_checked_by_passes(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    admin(hotel, "ALTER TABLE guests ADD CONSTRAINT later UNIQUE (email) DEFERRABLE")
    hotel.execute("DROP TRIGGER audit ON guests; ALTER TABLE guests DISABLE TRIGGER touch")
    hotel.advance(Stage.DUAL_WRITING)
    hotel.watch = Meanwhile(lambda: hotel.execute("ALTER TABLE guests ENABLE TRIGGER touch"))
    with pytest.raises(TriggersFire, match="touch of guests"):
        hotel.advance(Stage.NULLED)
    assert counts(hotel) == (0, 0)
    hotel.execute("ALTER TABLE guests DISABLE TRIGGER touch")
    hotel.advance(Stage.NULLED)


def test_deferrable_constraint_that_comes_during_a_pass_of_a_replica_ends_it(
    hotel: ClerksHotel,
) -> None:
    admin(hotel, _GRANT)
    hotel.script(_NO_TRIGGERS)
    hotel.advance(Stage.DUAL_WRITING)
    add = "ALTER TABLE guests ADD CONSTRAINT later UNIQUE (email) DEFERRABLE"
    hotel.watch = Meanwhile(lambda: admin(hotel, add))
    with pytest.raises(TriggersFire, match="later of guests would not be checked; repeat"):
        hotel.advance(Stage.NULLED)
    hotel.advance(Stage.NULLED)


def test_deferrable_constraint_of_one_partition_is_found(hotel: ClerksHotel) -> None:
    admin(hotel, _GRANT)
    hotel.execute("DROP TABLE guests")
    hotel.script("""
        CREATE TABLE guests (id int PRIMARY KEY, email varchar(80), visits int)
            PARTITION BY RANGE (id);
        CREATE TABLE first_guests PARTITION OF guests FOR VALUES FROM (1) TO (1000);
        ALTER TABLE first_guests ADD CONSTRAINT later UNIQUE (email) DEFERRABLE;
        CREATE TRIGGER audit AFTER UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION audit()
    """)
    with pytest.raises(TriggersFire, match=r"later of first_guests would not be checked"):
        hotel.advance(Stage.SWITCHED)


def test_trigger_of_one_partition_is_found(hotel: ClerksHotel) -> None:
    hotel.execute("DROP TABLE guests")
    hotel.execute(
        "CREATE TABLE guests (id int PRIMARY KEY, email varchar(80), visits int,"
        " updated_at timestamptz) PARTITION BY RANGE (id)"
    )
    hotel.execute("CREATE TABLE first_guests PARTITION OF guests FOR VALUES FROM (1) TO (1000)")
    hotel.execute("INSERT INTO guests VALUES (1, 'one@example.com')")
    hotel.execute(
        "CREATE TRIGGER audit AFTER UPDATE ON first_guests FOR EACH ROW EXECUTE FUNCTION audit()"
    )
    with pytest.raises(TriggersFire, match="audit of first_guests"):
        hotel.advance(Stage.SWITCHED)
    admin(hotel, _GRANT)
    hotel.advance(Stage.SWITCHED)
    assert counts(hotel) == (0, 0)


def test_plan_names_each_trigger_and_what_it_sees(hotel: ClerksHotel) -> None:
    with hotel.connect() as connection:
        without = list(forecast.read(hotel.context(), connection).firing.lines())
    admin(hotel, _GRANT)
    with hotel.connect() as connection:
        granted = list(forecast.read(hotel.context(), connection).firing.lines())
    both = ("audit of guests (AFTER UPDATE, audit())", "touch of guests (BEFORE UPDATE, touch())")
    fires = "fires for each row that a pass writes, from backfilled on, and sees its plaintext"
    assert without == [f"{each} {fires} of email" for each in both]
    assert granted == [f"{each} does not fire: passes run as replica" for each in both]
