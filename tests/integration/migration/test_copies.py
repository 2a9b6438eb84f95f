"""Search for plaintext where triggers of a migrated table may have brought it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from console import migration_view
from migration import copies, plan
from migration.copies import Copies
from migration.stage import Stage
from migration.table import trigger_reach
from tests.integration.migration.test_course import ROWS, Hotel, changed_plan, open_hotel
from tests.support.databases.own_database import OwnDatabase

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


@pytest.fixture
def hotel(database: OwnDatabase) -> Iterator[Hotel]:
    for hotel in open_hotel(database):
        hotel.execute(_AUDIT)
        yield hotel
        hotel.execute("DROP SCHEMA audit CASCADE")


def nulled(hotel: Hotel) -> Copies:
    hotel.advance(Stage.SWITCHED)
    values = copies.choose(hotel.context())
    hotel.advance(Stage.NULLED)
    return copies.search(hotel.context(), values)


def test_what_triggers_copied_is_found_with_what_was_not_looked_at(hotel: Hotel) -> None:
    hotel.plan = changed_plan(triggers="fire")
    found = nulled(hotel)
    assert found.values == 50
    # Twice: by the backfill, and by the pass that took the plaintext.
    assert found.found["audit.log"] >= 100
    assert found.found['audit."Mailing %"'] >= 100
    assert found.found["public.guests"] >= 50
    assert "audit.other" not in found.found
    assert found.unsearched == ("audit.hide(), which makes statements at run time",)
    lines = list(migration_view.copies_lines(hotel.plan, found))
    assert lines[0].startswith("Searched audit")
    assert "50 values of columns of text" in lines[0]


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
    hotel.advance(Stage.SWITCHED)
    hotel.execute('TRUNCATE audit.log, audit."Mailing %"')
    hotel.write_both(ROWS, "somebody.else@example.org")
    hotel.write_token(ROWS, "somebody.else@example.org")
    values = copies.choose(hotel.context())
    hotel.advance(Stage.NULLED)
    found = copies.search(hotel.context(), values)
    assert found.found["audit.log"] == 1


def test_table_that_may_not_be_read_is_said(hotel: Hotel, monkeypatch: pytest.MonkeyPatch) -> None:
    hotel.plan = changed_plan(triggers="fire")
    hotel.advance(Stage.SWITCHED)
    values = copies.choose(hotel.context())
    hotel.execute("CREATE ROLE reader")
    hotel.execute("GRANT USAGE ON SCHEMA audit TO reader")
    hotel.execute("GRANT SELECT ON guests TO reader")
    monkeypatch.setattr(copies, "_LIMIT", "SET LOCAL ROLE reader")
    found = copies.search(hotel.context(), values)
    assert "audit.log, which this user may not read" in found.unsearched
    assert list(found.found) == ["public.guests"]
    hotel.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_reach_of_a_table_without_triggers_is_itself(hotel: Hotel) -> None:
    for name in ("record", "hide", "words"):
        hotel.execute(f"DROP TRIGGER {name} ON guests")
    with hotel.connect() as connection:
        live = hotel.context().read_table(connection)
        reach = trigger_reach.read(connection, plan.to_table(hotel.plan, live))
    assert (reach.own, reach.relations, reach.unknown) == ("public.guests", (), ())
