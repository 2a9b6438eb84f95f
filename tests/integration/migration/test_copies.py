"""Search for plaintext where triggers of a migrated table may have brought it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

import pytest
from psycopg import Connection

from console.views import migration as migration_view
from migration import copies, plan
from migration.copies import Copies
from migration.stage import Stage
from migration.table import trigger_reach
from migration.table.trigger_reach import Reach
from tests.integration.migration.test_course import ROWS, Hotel, changed_plan

pytestmark = pytest.mark.requires("embedded")

_AUDIT: Final = """
    CREATE SCHEMA audit;
    CREATE TABLE audit.log (number bigint GENERATED ALWAYS AS IDENTITY, change jsonb);
    CREATE TABLE audit."Mailing %" (note text);
    CREATE TABLE audit.hidden (note text);
    CREATE TABLE audit.other (note text);
    CREATE FUNCTION audit.write(changed jsonb) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit.log (change) VALUES (changed);
    END $$;
    CREATE FUNCTION audit.record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM audit.write(to_jsonb(OLD)); RETURN NULL;
    END $$;
    CREATE FUNCTION audit.mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit."Mailing %" VALUES (upper(NEW.change ->> 'email')); RETURN NULL;
    END $$;
    CREATE FUNCTION audit.hide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        EXECUTE 'INSERT INTO audit.hid' || 'den VALUES ($1)' USING OLD.email; RETURN NULL;
    END $$;
    CREATE TRIGGER record AFTER UPDATE ON guests FOR EACH ROW EXECUTE FUNCTION audit.record();
    CREATE TRIGGER mail AFTER INSERT ON audit.log FOR EACH ROW EXECUTE FUNCTION audit.mail();
    CREATE TRIGGER hide AFTER DELETE ON guests FOR EACH ROW EXECUTE FUNCTION audit.hide();
    ALTER TABLE guests ENABLE ALWAYS TRIGGER record;
    ALTER TABLE audit.log ENABLE ALWAYS TRIGGER mail;
    ALTER TABLE guests ADD COLUMN words tsvector;
    CREATE TRIGGER words BEFORE INSERT OR UPDATE OF email ON guests FOR EACH ROW
        EXECUTE FUNCTION tsvector_update_trigger('words', 'pg_catalog.english', 'email');
    UPDATE guests SET email = email;
    TRUNCATE audit.log, audit."Mailing %";
"""
#: Relations of another role, with names that functions of triggers have, whose use runs its code.
_HOSTILE: Final = """
    CREATE ROLE hostile;
    CREATE SCHEMA prey AUTHORIZATION hostile;
    SET ROLE hostile;
    CREATE TABLE prey.seen (what text, by text);
    CREATE FUNCTION prey.note(what text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        INSERT INTO prey.seen VALUES (what, session_user); RETURN what;
    END $$;
    CREATE FUNCTION prey.tell(what text) RETURNS text IMMUTABLE LANGUAGE plpgsql
        AS 'BEGIN RETURN prey.note(what); END';
    CREATE VIEW prey.log AS SELECT prey.note('view') AS note;
    CREATE TABLE prey.email (note text);
    INSERT INTO prey.email VALUES ('nothing');
    CREATE INDEX ON prey.email (prey.tell('index'));
    CREATE FUNCTION prey.cast(prey.email) RETURNS text LANGUAGE sql
        AS $$ SELECT prey.note('cast') $$;
    CREATE CAST (prey.email AS text) WITH FUNCTION prey.cast(prey.email);
    CREATE POLICY few ON prey.email USING (prey.note('policy') IS NULL);
    ALTER TABLE prey.email ENABLE ROW LEVEL SECURITY;
    ALTER TABLE prey.email FORCE ROW LEVEL SECURITY;
    GRANT ALL ON ALL TABLES IN SCHEMA prey TO PUBLIC;
    TRUNCATE prey.seen;
    RESET ROLE;
"""
#: A role that owns the table, and is a member of another one without its rights.
_KEEPER: Final = """
    CREATE ROLE auditor;
    CREATE ROLE keeper;
    GRANT auditor TO keeper WITH INHERIT FALSE;
    GRANT USAGE ON SCHEMA audit TO keeper;
    ALTER TABLE guests OWNER TO keeper;
    ALTER TABLE audit.log OWNER TO keeper;
    ALTER TABLE audit."Mailing %" OWNER TO auditor;
"""


@pytest.fixture
def hostile(hotel: Hotel) -> Iterator[None]:
    hotel.script(_HOSTILE)
    yield
    hotel.script("DROP OWNED BY hostile CASCADE; DROP ROLE hostile")


@pytest.fixture
def keeper(hotel: Hotel) -> Iterator[None]:
    hotel.script(_KEEPER)
    yield
    hotel.script("REASSIGN OWNED BY keeper, auditor TO postgres; DROP OWNED BY keeper, auditor")
    hotel.script("DROP ROLE keeper, auditor")


@pytest.fixture
def hotel(hotel: Hotel) -> Iterator[Hotel]:
    hotel.execute(_AUDIT)
    yield hotel
    hotel.execute("DROP SCHEMA audit CASCADE")


def nulled(hotel: Hotel, write: Callable[[], object] = lambda: None) -> Copies:
    """Search after the plaintext was removed, for a sample that was chosen after *write*."""
    hotel.advance(Stage.SWITCHED)
    write()
    values = copies.choose(hotel.context())
    hotel.advance(Stage.NULLED)
    return copies.search(hotel.context(), values)


def read_reach(hotel: Hotel) -> Reach:
    with hotel.connect() as connection:
        live = hotel.context().read_table(connection)
        return trigger_reach.read(connection, plan.to_table(hotel.plan, live))


def test_what_triggers_copied_is_found_with_what_was_not_looked_at(hotel: Hotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    found = nulled(hotel)
    assert 50 <= found.values <= 100
    # Twice: by the backfill, and by the pass that took the plaintext.
    assert found.found["audit.log"] >= 100
    assert found.found['audit."Mailing %"'] >= 100
    assert found.found["public.guests"] >= 50
    assert "audit.other" not in found.found
    assert found.unsearched == ("audit.hide(), which makes statements at run time",)
    lines = list(migration_view.copies_lines(hotel.plan, found))
    assert lines[0].startswith("Searched audit")
    assert f"{found.values} values of columns of text" in lines[0]


def test_replica_leaves_only_what_was_there_before(hotel: Hotel) -> None:
    hotel.execute("ALTER TABLE guests ENABLE TRIGGER record")
    hotel.execute("UPDATE guests SET words = NULL")
    hotel.execute('TRUNCATE audit.log, audit."Mailing %"')
    found = nulled(hotel)
    assert set(found.found.values()) == {0}
    hotel.execute("DROP TRIGGER words ON guests")
    hotel.advance(Stage.DROPPED)
    assert copies.choose(hotel.context())


def test_rows_that_were_written_last_are_looked_for(hotel: Hotel) -> None:
    hotel.execute("ALTER TABLE guests ENABLE TRIGGER record")
    hotel.execute("UPDATE guests SET words = NULL")

    def write() -> None:
        hotel.execute('TRUNCATE audit.log, audit."Mailing %"')
        hotel.write_both(ROWS, "somebody.else@example.org")
        hotel.write_token(ROWS, "somebody.else@example.org")

    found = nulled(hotel, write)
    # The value before it is found, too, if the sample has a guest whose words begin like it.
    assert found.found["audit.log"] in {1, 2}


def test_rows_that_never_had_plaintext_are_not_looked_for(hotel: Hotel) -> None:
    hotel.plan = changed_plan(triggers="fire")

    def write() -> None:
        for row in range(60):
            hotel.write_token(ROWS + row, f"somebody.{row}@example.org")

    assert nulled(hotel, write).found["audit.log"] >= 100


def search_after(hotel: Hotel, setting: str) -> Copies:
    """Search in sessions of their own, which begin with *setting*, after reads are switched."""
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    values = copies.choose(hotel.context())

    @contextmanager
    def connect() -> Iterator[Connection]:
        with hotel.database.connect() as connection:
            connection.execute(setting)
            yield connection

    return copies.search(replace(hotel.context(), connect=connect), values)


@pytest.mark.usefixtures("hostile")
def test_code_of_another_role_does_not_run_with_the_rights_of_a_superuser(hotel: Hotel) -> None:
    found = search_after(hotel, "RESET ALL")
    assert hotel.execute("SELECT * FROM prey.seen") == []
    assert found.found["prey.email"] == 0
    assert found.found["audit.log"] >= 50
    assert "prey.log, which is a view" in found.unsearched


@pytest.mark.usefixtures("hostile", "keeper")
def test_tables_of_another_role_are_not_looked_at(hotel: Hotel) -> None:
    hotel.script("GRANT USAGE ON SCHEMA prey TO PUBLIC")
    found = search_after(hotel, "SET ROLE keeper")
    assert hotel.execute("SELECT * FROM prey.seen") == []
    assert "prey.email, which another role owns" in found.unsearched
    assert "prey.log, which is a view" in found.unsearched
    assert found.found["audit.log"] >= 50


@pytest.mark.usefixtures("keeper")
def test_table_that_may_not_be_read_as_a_whole_is_said(hotel: Hotel) -> None:
    hotel.script("""
        CREATE POLICY few ON audit.log USING (number < 10);
        ALTER TABLE audit.log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
    """)
    found = search_after(hotel, "SET ROLE keeper")
    assert list(found.found) == ["public.guests"]
    assert found.unsearched == (
        'audit."Mailing %", which this user may not read as a whole',
        "audit.log, which this user may not read as a whole",
        "audit.hide(), which makes statements at run time",
    )


def test_search_that_fails_leaves_the_others(hotel: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_LIMITS", "SET LOCAL statement_timeout = '100ms'")
    hotel.script("CREATE MATERIALIZED VIEW audit.email AS SELECT 1 WITH NO DATA")
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    values = copies.choose(hotel.context())
    with hotel.database.connect() as other, other.transaction():
        other.execute("LOCK TABLE audit.log")
        found = copies.search(hotel.context(), values)
    assert "audit.log, which takes longer than 30 s" in found.unsearched
    assert "audit.email, which ended in FeatureNotSupported" in found.unsearched
    assert found.found["public.guests"] >= 50


def test_values_are_in_no_statement_of_the_search(hotel: Hotel) -> None:
    log = hotel.database.superuser.layout.logs / "database.log"
    before = len(log.read_text())
    found = search_after(
        hotel,
        "SET log_min_duration_statement = 0; SET log_parameter_max_length = -1;"
        " SET log_error_verbosity = 'default'",
    )
    assert found.found["public.guests"] >= found.values >= 50
    written = log.read_text()[before:]
    assert "audit.log" in written
    assert not re.findall(r"guest\d+", written)


def test_other_columns_may_have_any_name(hotel: Hotel) -> None:
    hotel.script("""ALTER TABLE guests ADD COLUMN "50% {off}" text, ADD COLUMN "%s" text,
        ADD COLUMN twice text GENERATED ALWAYS AS (visits || 'x') STORED""")
    hotel.script('UPDATE guests SET "%s" = upper(email)')
    hotel.plan = changed_plan(triggers="fire")
    found = nulled(hotel)
    assert found.found["public.guests"] >= 50
    hotel.script("DROP TRIGGER words ON guests")
    hotel.advance(Stage.DROPPED)
    again = copies.search(hotel.context(), copies.choose(hotel.context()))
    assert again.found.keys() == found.found.keys()
    assert again.found["public.guests"] >= 50


def test_reach_has_what_holds_the_rows(hotel: Hotel) -> None:
    hotel.script("""
        CREATE TABLE audit.change (note text) PARTITION BY LIST (note);
        CREATE TABLE audit.change_rest PARTITION OF audit.change DEFAULT;
        CREATE TABLE audit.elder (email text);
        CREATE TABLE audit.heir () INHERITS (audit.elder);
        CREATE VIEW audit.email AS SELECT email FROM audit.elder;
        CREATE RULE add AS ON INSERT TO audit.log DO ALSO INSERT INTO audit.other VALUES ('');
        CREATE RULE add AS ON INSERT TO audit."Mailing %" DO ALSO INSERT INTO audit.hidden
            VALUES ('')
    """)
    reach = read_reach(hotel)
    assert {*reach.others} >= {
        *("audit.change_rest", "audit.elder", "audit.heir", "audit.other", "audit.hidden")
    }
    assert "audit.change" not in reach.others
    assert "audit.email, which is a view" in reach.unknown


def test_own_rows_are_in_partitions(hotel: Hotel) -> None:
    hotel.script("""
        DROP TABLE guests;
        CREATE TABLE guests (id int PRIMARY KEY, email text, visits int) PARTITION BY RANGE (id);
        CREATE TABLE guests_1 PARTITION OF guests FOR VALUES FROM (0) TO (100);
        CREATE TABLE guests_2 PARTITION OF guests DEFAULT
    """)
    reach = read_reach(hotel)
    assert (reach.own, reach.others) == (("public.guests_1", "public.guests_2"), ())


def test_reach_of_a_table_without_triggers_is_itself(hotel: Hotel) -> None:
    for name in ("record", "hide", "words"):
        hotel.execute(f"DROP TRIGGER {name} ON guests")
    reach = read_reach(hotel)
    assert (reach.own, reach.others, reach.unknown) == (("public.guests",), (), ())
