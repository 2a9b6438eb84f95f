"""What depends on a migrated column: carried over, lifted and put back, or refused, on a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, LiteralString

import pytest
from psycopg import Connection

from app_integration.errors import ConfigurationError
from local.servers.accounts import Superuser
from migration import migration_context, way_back
from migration.forecast import forecast
from migration.stage import Stage
from migration.table import dependent_rules, snapshot
from migration.table.dependent_rules import RULES, Treatment
from migration.table.inventory import Kind
from migration.table.migrated_table import MigratedTable
from tests.integration.migration.test_course import ROWS, Hotel
from tests.support.databases import database_hashes
from tests.support.databases.own_database import OwnDatabase
from tests.support.migrations.course_driver import Meanwhile
from tests.support.migrations.earlier_state import as_earlier_version

pytestmark = pytest.mark.requires("embedded")

_LETTERS: LiteralString = """
    CREATE TABLE letters (
        id int PRIMARY KEY, recipient varchar(80) {} REFERENCES guests (email) {}
    );
    INSERT INTO letters SELECT id, email FROM guests
"""
_TOWNS: LiteralString = """
    CREATE TABLE towns (name varchar(80) PRIMARY KEY); INSERT INTO towns SELECT email FROM guests;
    ALTER TABLE guests ADD CONSTRAINT town FOREIGN KEY (email) REFERENCES towns {}
"""
_NO_LETTERS: LiteralString = "DROP TABLE letters"
_NO_TOWNS: LiteralString = "ALTER TABLE guests DROP CONSTRAINT town; DROP TABLE towns"
_LOG: LiteralString = "CREATE TABLE log (email text);"


#: A function that raises a value of another column.
_RAISING: LiteralString = """
    CREATE FUNCTION told(email text, visits int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
        IF email IS NULL THEN RAISE EXCEPTION 'no email in the row of % visits', visits; END IF;
        RETURN true;
    END $$;
"""


def _index(name: str, definition: str) -> tuple[str, str]:
    return f"CREATE UNIQUE INDEX {name} ON guests {definition}", f"DROP INDEX {name}"


def _check(condition: str) -> tuple[str, str]:
    return (
        f"ALTER TABLE guests ADD CONSTRAINT fit CHECK ({condition})",
        "ALTER TABLE guests DROP CONSTRAINT fit",
    )


#: By kind and what is special about it: how it comes and goes, and its name in the refusal.
REFUSED: Final[dict[tuple[Kind, str], tuple[str, str, str]]] = {
    **{
        (Kind.REFERRER, action): (
            _LETTERS.format("DEFAULT 'guest1@example.com'", action),
            _NO_LETTERS,
            "constraint letters_recipient_fkey on table public.letters (email)",
        )
        for action in (
            *("", "ON UPDATE CASCADE", "ON UPDATE SET NULL", "ON UPDATE SET DEFAULT"),
            "ON DELETE CASCADE",
        )
    },
    **{
        (Kind.REFERENCE, action): (
            _TOWNS.format(action),
            _NO_TOWNS,
            "constraint town on table public.guests (email)",
        )
        for action in ("", "ON UPDATE CASCADE ON DELETE SET NULL")
    },
    (Kind.GENERATED, ""): (
        "ALTER TABLE guests ADD COLUMN low text GENERATED ALWAYS AS (lower(email)) STORED",
        "ALTER TABLE guests DROP COLUMN low",
        "default value for column low of table public.guests (email)",
    ),
    (Kind.MATERIALIZED_VIEW, ""): (
        "CREATE MATERIALIZED VIEW copies AS SELECT email FROM guests",
        "DROP MATERIALIZED VIEW copies",
        "materialized view public.copies (email)",
    ),
    (Kind.MATERIALIZED_VIEW, "behind a view"): (
        """CREATE VIEW mails AS SELECT email FROM guests;
        CREATE MATERIALIZED VIEW copies AS SELECT email FROM mails""",
        "DROP VIEW mails CASCADE",
        "materialized view public.copies (email)",
    ),
    **{
        (Kind.MATERIALIZED_VIEW, name): (
            f"CREATE MATERIALIZED VIEW {name} AS SELECT email FROM guests",
            f"DROP MATERIALIZED VIEW {name}",
            f"materialized view public.{name} (email)",
        )
        for name in ("a_zzz_strongroom_before_update", "strongroom_no_plaintext")
    },
    (Kind.POLICY, ""): (
        "CREATE POLICY own ON guests USING (email = current_user)",
        "DROP POLICY own ON guests",
        "policy own on table public.guests (email)",
    ),
    (Kind.PUBLICATION_OF_COLUMN, "list"): (
        "CREATE PUBLICATION part FOR TABLE guests (id, email)",
        "DROP PUBLICATION part",
        "publication of table public.guests in publication part (email)",
    ),
    (Kind.PUBLICATION_OF_COLUMN, "filter"): (
        "CREATE PUBLICATION part FOR TABLE guests WHERE (email <> '') WITH (publish = 'insert')",
        "DROP PUBLICATION part",
        "publication of table public.guests in publication part (email)",
    ),
    (Kind.PUBLICATION_WITHOUT_UPDATES, ""): (
        "CREATE PUBLICATION part FOR ALL TABLES WITH (publish = 'insert, delete')",
        "DROP PUBLICATION part",
        "publication part of table public.guests",
    ),
    (Kind.SUBSCRIPTION, ""): (
        """CREATE SUBSCRIPTION feed CONNECTION 'dbname=none' PUBLICATION part
        WITH (connect = false, slot_name = NONE);
        INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate)
        SELECT oid, 'guests'::regclass, 'r' FROM pg_subscription""",
        "DROP SUBSCRIPTION feed",
        "subscription feed to table public.guests",
    ),
    (Kind.REPLICA_IDENTITY, ""): (
        "ALTER TABLE guests REPLICA IDENTITY USING INDEX guests_email_key",
        "ALTER TABLE guests REPLICA IDENTITY DEFAULT",
        "replica identity by index public.guests_email_key (email)",
    ),
    **{
        (Kind.ROW_TYPE, type_): (
            f"CREATE TABLE log (was {type_})",
            "DROP TABLE log",
            "column was of table public.log",
        )
        for type_ in ("guests", "guests[]")
    },
    (Kind.RULE, ""): (
        f"""{_LOG} CREATE RULE audit AS ON UPDATE TO guests DO ALSO
        INSERT INTO log VALUES (OLD.email)""",
        "DROP RULE audit ON guests; DROP TABLE log",
        "rule audit on table public.guests",
    ),
    (Kind.CHECK, "of the column"): (*_check("email IS NOT NULL"), "constraint fit on table"),
    (Kind.CHECK, "of rows"): (
        *_check("visits > 0 OR email IS NOT NULL"),
        "constraint fit on table",
    ),
    (Kind.CHECK, "that raises"): (
        f"{_RAISING} {_check('told(email, visits)')[0]}",
        f"{_check('')[1]}; DROP FUNCTION told",
        (
            "constraint fit on table public.guests (email): it ends with RaiseException (SQLSTATE"
            " P0001) if the column is NULL; change it to one that accepts NULL first"
        ),
    ),
    (Kind.UNIQUE, "that raises"): (
        f"{_RAISING} {_index('one', '(told(email, visits), id)')[0]}",
        "DROP INDEX one; DROP FUNCTION told",
        "index public.one (email): it ends with RaiseException",
    ),
    (Kind.UNIQUE, "not distinct"): (
        *_index("one", "(email) NULLS NOT DISTINCT"),
        "index public.one (email)",
    ),
    (Kind.UNIQUE, "expression"): (*_index("one", "(coalesce(email, ''))"), "index public.one"),
    (Kind.UNIQUE, "predicate"): (
        *_index("one", "(visits) WHERE email IS NULL"),
        "index public.one",
    ),
}
#: Triggers that depend on the column, by their names.
_TRIGGERS: Final[dict[str, str]] = {
    "named": "UPDATE OF email ON guests FOR EACH ROW",
    "asked": "UPDATE ON guests FOR EACH ROW WHEN (OLD.email IS DISTINCT FROM NEW.email)",
    "zzz_strongroom_mine": "INSERT ON guests FOR EACH ROW WHEN (NEW.email IS NULL)",
}
#: What cannot come after the switch, when the column may be NULL.
_EARLY: Final = {(Kind.REPLICA_IDENTITY, "")}


@contextmanager
def _open_own(superuser: Superuser, name: str) -> Iterator[Hotel]:
    own = OwnDatabase(superuser, name)
    own.create()
    with Hotel(own).with_table() as hotel:
        yield hotel
    own.drop()


@pytest.fixture(scope="module")
def planned(superuser: Superuser) -> Iterator[Hotel]:
    """Return a hotel whose migration is not begun."""
    with _open_own(superuser, "planned") as hotel:
        yield hotel


@pytest.fixture(scope="module")
def switched(superuser: Superuser) -> Iterator[Hotel]:
    """Return a hotel whose plaintext may be removed."""
    with _open_own(superuser, "switched") as hotel:
        hotel.advance(Stage.SWITCHED)
        yield hotel


@pytest.mark.parametrize("case", REFUSED, ids=" ".join)
def test_what_a_pass_would_harm_is_refused_by_the_plan(
    planned: Hotel, case: tuple[Kind, str]
) -> None:
    come, go, name = REFUSED[case]
    planned.script(come)
    with pytest.raises(forecast.PlanRefused) as caught:
        planned.advance(Stage.SWITCHED)
    planned.script(go)
    assert name in str(caught.value)
    assert planned.execute("SELECT to_regnamespace('strongroom_migration')") == [(None,)]


@pytest.mark.parametrize("case", [each for each in REFUSED if each not in _EARLY], ids=" ".join)
def test_what_a_pass_would_harm_is_refused_before_each_pass(
    switched: Hotel, case: tuple[Kind, str]
) -> None:
    come, go, name = REFUSED[case]
    switched.script(come)
    before = database_hashes.hash_tables(switched.database)
    for step in (lambda: switched.advance(Stage.NULLED), switched.undo):
        with pytest.raises(migration_context.DependentRefused) as caught:
            step()
        assert name in str(caught.value)
    assert database_hashes.hash_tables(switched.database) == before
    switched.script(go)


def test_each_that_does_not_accept_null_is_refused_without_values(planned: Hotel) -> None:
    planned.script(f"{_RAISING} UPDATE guests SET visits = 4711 WHERE id = 1")
    planned.script(_check("told(email, visits)")[0])
    planned.script(_index("one", "(email) NULLS NOT DISTINCT")[0])
    with pytest.raises(forecast.PlanRefused) as caught:
        planned.advance(Stage.SWITCHED)
    planned.script(f"{_check('')[1]}; DROP INDEX one; DROP FUNCTION told")
    planned.script("UPDATE guests SET visits = 0 WHERE id = 1")
    assert "constraint fit on" in str(caught.value)
    assert "index public.one (email): it does not accept NULL" in str(caught.value)
    assert "visits" not in str(caught.value)


def test_check_may_call_what_the_session_finds(hotel: Hotel) -> None:
    """A function finds others by the path of the session, which writes of the table have too."""
    hotel.script("""
        CREATE FUNCTION is_tld(tld text) RETURNS bool LANGUAGE sql RETURN tld = 'com';
        CREATE FUNCTION is_mail(mail text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
            RETURN is_tld(split_part(mail, '.', 2));
        END $$;
        ALTER TABLE guests ADD CONSTRAINT fit CHECK (is_mail(email))
    """)
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    hotel.script("ALTER TABLE guests DROP CONSTRAINT fit; DROP FUNCTION is_mail, is_tld")


def test_copy_that_is_made_during_the_removal_ends_it(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.between = lambda _: hotel.script(
        "CREATE MATERIALIZED VIEW copies AS SELECT * FROM guests"
    )
    with pytest.raises(migration_context.DependentRefused, match="it keeps a copy of the values"):
        hotel.advance(Stage.NULLED)
    hotel.between = lambda _: None
    hotel.script("DROP MATERIALIZED VIEW copies")
    hotel.advance(Stage.NULLED)


def test_foreign_key_that_comes_during_a_pass_ends_it(hotel: Hotel) -> None:
    hotel.advance(Stage.SWITCHED)
    hotel.watch = Meanwhile(
        lambda: hotel.script(f"""
            CREATE TABLE letters (id int PRIMARY KEY, recipient varchar(80));
            INSERT INTO letters SELECT id, email FROM guests WHERE id = {ROWS};
            ALTER TABLE letters ADD FOREIGN KEY (recipient) REFERENCES guests (email)
                ON UPDATE SET NULL
        """)
    )
    with pytest.raises(migration_context.DependentRefused, match="letters came during a pass"):
        hotel.advance(Stage.NULLED)
    assert hotel.execute("SELECT recipient FROM letters") == [(f"guest{ROWS}@example.com",)]
    hotel.script(_NO_LETTERS)
    hotel.advance(Stage.NULLED)


def test_values_leave_the_statistics_of_the_planner(hotel: Hotel) -> None:
    hotel.script("CREATE STATISTICS pair (mcv) ON email, visits FROM guests")
    hotel.script("CREATE INDEX ON guests (upper(email)); ANALYZE guests")
    assert _statistics(hotel)
    hotel.advance(Stage.SWITCHED)
    assert _statistics(hotel)
    hotel.advance(Stage.NULLED)
    assert not _statistics(hotel)


def _statistics(hotel: Hotel) -> list[str]:
    """Return the statistics of the planner that have a value of the column."""
    found = hotel.execute(
        "SELECT concat(most_common_vals, histogram_bounds) FROM pg_stats WHERE schemaname ="
        " 'public' UNION ALL SELECT most_common_vals::text FROM pg_stats_ext"
    )
    return [text for (text,) in found if text and "@example.com" in text.lower()]


def test_table_is_free_while_the_catalogue_is_read(
    hotel: Hotel, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reads = snapshot.read, list[int]()

    def read_beside_a_query(connection: Connection, table: MigratedTable) -> dict[str, str]:
        with hotel.database.connect() as other:
            other.execute("SET lock_timeout = '100ms'")
            reads.append(other.execute("SELECT FROM guests").rowcount)
        return read(connection, table)

    monkeypatch.setattr(snapshot, "read", read_beside_a_query)
    hotel.advance(Stage.GUARDED)
    assert way_back.go_back(hotel.context(), hotel.run).then.startswith("the table is as it was")
    assert reads == [ROWS, ROWS]


def test_way_back_says_what_is_not_as_it_was(hotel: Hotel) -> None:
    hotel.advance(Stage.GUARDED)
    hotel.script("ALTER TABLE guests DROP CONSTRAINT guests_email_key; CREATE INDEX ON guests (id)")
    hotel.script("ALTER TABLE guests ALTER COLUMN visits SET DEFAULT 1")
    assert way_back.go_back(hotel.context(), hotel.run).then == (
        "the migration is gone, but not all is as it was before it:"
        " constraint guests_email_key on table public.guests is gone;"
        " default value for column visits of table public.guests is new;"
        " index public.guests_id_idx is new"
    )


def test_default_is_lifted_for_the_version_without_the_column(hotel: Hotel) -> None:
    hotel.script("ALTER TABLE guests ALTER COLUMN email SET DEFAULT 'none@example.com'")
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    hotel.execute(
        "INSERT INTO guests (id, email_token, email_index) VALUES (%s, %s, %s)",
        *(ROWS + 1, *hotel.token(ROWS + 1, "new@example.com")),
    )
    for _ in range(4):
        hotel.undo()
    assert hotel.plaintexts()[ROWS + 1] == "new@example.com"
    hotel.script("INSERT INTO guests (id) VALUES (0)")
    assert hotel.plaintexts()[0] == "none@example.com"


@pytest.mark.parametrize("stage", [Stage.GUARDED, Stage.INDEXED, Stage.SWITCHED, Stage.NULLED])
def test_migration_of_an_earlier_version_goes_on_and_back(hotel: Hotel, stage: Stage) -> None:
    set_default = "ALTER TABLE guests ALTER COLUMN email SET DEFAULT 'none@example.com'"
    hotel.script(set_default)
    found, rows = database_hashes.hash_catalogue(hotel.database), hotel.plaintexts()
    hotel.advance(stage)
    lifted = () if stage.is_before(Stage.SWITCHED) else ("email",)
    if lifted:
        hotel.script(set_default)  # which that version did not lift
    with hotel.connect() as connection:
        as_earlier_version(connection, "guests", *lifted)
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    steps = [way_back.go_back(hotel.context(), hotel.run) for _ in range(4)]
    assert steps[-1].then == (
        "the migration is gone; an earlier version began it, and stored nothing with which the"
        " catalogue could be compared"
    )
    assert database_hashes.hash_catalogue(hotel.database) == found
    assert hotel.plaintexts() == rows


def test_partitions_keep_their_own_defaults(hotel: Hotel) -> None:
    hotel.script("""
        ALTER TABLE guests RENAME TO old_guests;
        CREATE TABLE guests (id int PRIMARY KEY, email text, visits int) PARTITION BY RANGE (id);
        CREATE TABLE guests_1 PARTITION OF guests FOR VALUES FROM (0) TO (100);
        ALTER TABLE guests_1 ALTER COLUMN email SET DEFAULT 'one';
        INSERT INTO guests SELECT id, email FROM old_guests WHERE id < 100;
        DROP TABLE old_guests
    """)
    hotel.script("ALTER TABLE guests_1 ALTER COLUMN email SET NOT NULL")
    with pytest.raises(forecast.PlanRefused, match="NOT NULL of column email of table"):
        hotel.advance(Stage.GUARDED)
    hotel.script("ALTER TABLE guests_1 ALTER COLUMN email DROP NOT NULL")
    found = database_hashes.hash_catalogue(hotel.database)
    hotel.advance(Stage.SWITCHED)
    hotel.advance(Stage.NULLED)
    hotel.script("INSERT INTO guests_1 (id) VALUES (0)")
    steps = [way_back.go_back(hotel.context(), hotel.run) for _ in range(4)]
    assert steps[-1].then.startswith("the table is as it was before the migration")
    assert database_hashes.hash_catalogue(hotel.database) == found


def test_owner_without_rights_elsewhere_reads_the_inventory(hotel: Hotel) -> None:
    hotel.script("""
        CREATE ROLE keeper; ALTER TABLE guests OWNER TO keeper; CREATE SCHEMA hidden;
        GRANT USAGE ON SCHEMA public TO keeper;
        CREATE TABLE hidden.letters (mail varchar(80) REFERENCES guests (email));
        CREATE MATERIALIZED VIEW hidden.copies AS SELECT email FROM guests;
        CREATE PUBLICATION every FOR ALL TABLES
    """)
    context = hotel.context()
    with context.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("SET LOCAL ROLE keeper")
        refused = context.find_refused(connection, context.read_table(connection))
    assert [text.partition(" (email)")[0] for text in refused] == [
        "materialized view hidden.copies",
        "constraint letters_mail_fkey on table hidden.letters",
    ]
    hotel.script("DROP PUBLICATION every; DROP SCHEMA hidden CASCADE")
    hotel.script("REASSIGN OWNED BY keeper TO postgres; DROP OWNED BY keeper; DROP ROLE keeper")


def test_identity_column_is_refused(hotel: Hotel) -> None:
    hotel.script("ALTER TABLE guests ADD COLUMN number int GENERATED ALWAYS AS IDENTITY")
    column = {"number": {"field": "guests.number", "type": "int"}}
    context = hotel.context(columns=column)
    with context.connect() as connection:
        live = context.read_table(connection)
        with pytest.raises(forecast.PlanRefused, match="the database makes its values"):
            forecast.check_plan(context, connection, live)


#: How each kind comes that stays while the column is migrated.
KEPT: Final[dict[tuple[Kind, str], str]] = {
    (Kind.CHECK, ""): "ALTER TABLE guests ADD CHECK (email LIKE '%@%')",
    (Kind.COLUMN_PRIVILEGE, ""): "GRANT SELECT (email) ON guests TO PUBLIC",
    (Kind.DEFAULT, ""): "ALTER TABLE guests ALTER COLUMN email SET DEFAULT lower('None')",
    (Kind.FUNCTION, ""): (
        "CREATE FUNCTION first_mail() RETURNS text LANGUAGE sql"
        " BEGIN ATOMIC SELECT min(email) FROM guests; END"
    ),
    (Kind.INDEX, ""): "CREATE INDEX ON guests (lower(email)) WHERE email IS NOT NULL",
    (Kind.NOT_NULL, ""): (
        "ALTER TABLE guests RENAME CONSTRAINT guests_email_not_null TO must_have_mail"
    ),
    (Kind.PUBLICATION, ""): "CREATE PUBLICATION every FOR ALL TABLES",
    (Kind.RULE_ELSEWHERE, ""): (
        f"{_LOG} CREATE RULE sync AS ON DELETE TO log DO ALSO DELETE FROM guests"
        " WHERE email = OLD.email"
    ),
    (Kind.SEQUENCE, ""): "CREATE SEQUENCE numbers OWNED BY guests.email",
    (Kind.STATISTICS, ""): "CREATE STATISTICS pair ON email, visits FROM guests",
    (Kind.TRIGGER, ""): (
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        " CREATE TRIGGER seen BEFORE UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION nothing()"
    ),
    **{
        (Kind.TRIGGER_OF_COLUMN, name): (
            f"CREATE TRIGGER {name} BEFORE {when} EXECUTE FUNCTION nothing()"
        )
        for name, when in _TRIGGERS.items()
    },
    (Kind.UNIQUE, "expression"): _index("folded", "(lower(email)) WHERE visits >= 0")[0],
    (Kind.VIEW, ""): "CREATE VIEW mails AS SELECT email FROM guests WHERE email IS NOT NULL",
}


def test_what_stays_is_as_it_was_after_the_way_back(superuser: Superuser) -> None:
    with _open_own(superuser, "kept") as hotel:
        for each in KEPT.values():
            hotel.script(each)
        found = database_hashes.hash_catalogue(hotel.database)
        rows = database_hashes.hash_tables(hotel.database)
        context = hotel.context()
        with context.connect() as connection:
            dependents = context.read_dependents(connection)
        assert {kind for kind, _ in KEPT} <= {each.kind for each in dependents}
        lost = dependent_rules.find_lost(dependents)
        assert {f"trigger {each} on table public.guests" for each in _TRIGGERS} <= {*lost}
        hotel.advance(Stage.SWITCHED)
        hotel.advance(Stage.NULLED)
        others = database_hashes.hash_tables(hotel.database, "guests")
        assert others == {each: rows[each] for each in others}
        steps = [way_back.go_back(hotel.context(), hotel.run) for _ in range(4)]
        assert steps[-1].then.startswith("the table is as it was before the migration")
        assert database_hashes.hash_catalogue(hotel.database) == found
        assert database_hashes.hash_tables(hotel.database) == rows


def test_what_a_migration_adds_is_not_in_its_inventory(hotel: Hotel) -> None:
    context = hotel.context()
    with context.connect() as connection:
        found = {each.name for each in context.read_dependents(connection)}
        for stage in (Stage.GUARDED, Stage.SWITCHED, Stage.NULLED):
            hotel.advance(stage)
            assert {each.name for each in context.read_dependents(connection)} <= found


def test_trigger_that_keeps_the_column_is_named_by_the_plan_and_before_the_drop(
    hotel: Hotel,
) -> None:
    hotel.script(KEPT[Kind.TRIGGER, ""])
    hotel.script(KEPT[Kind.TRIGGER_OF_COLUMN, "asked"])
    context = hotel.context(triggers="fire")
    with context.connect() as connection:
        lines = [*forecast.read(context, connection).outlook.column_lines()]
    assert (
        "trigger asked on table public.guests (email): kept; it keeps the column from being"
        " dropped: change it before"
    ) in lines
    assert "trigger seen on table public.guests: kept" in lines
    hotel.plan = context.plan
    hotel.advance(Stage.NULLED)
    with context.connect() as connection:
        lost = dependent_rules.find_lost(context.read_dependents(connection))
    assert "trigger asked on table public.guests" in lost
    with pytest.raises(ConfigurationError, match="trigger asked on table guests"):
        hotel.advance(Stage.DROPPED)
    hotel.script("DROP FUNCTION nothing CASCADE")


def test_each_kind_has_a_rule_and_is_tried() -> None:
    tried = {kind for kind, _ in (*REFUSED, *KEPT)}
    # Those are of a partition, of a type that no plan takes, or read for the snapshot alone.
    others = {Kind.NOT_NULL_OF_PARTITION, Kind.IDENTITY, Kind.OTHER, Kind.COLUMN, Kind.TABLE}
    assert tried == {*Kind} - others
    for kind, _ in KEPT:
        assert RULES[kind].treatment is not Treatment.REFUSED
