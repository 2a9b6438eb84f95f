"""Messages of PostgreSQL's programs, of which no data is reported."""

from __future__ import annotations

from backup.programs import _first_error

MESSAGES = b"""pg_restore: while PROCESSING TOC:
pg_restore: from TOC entry 3420; 0 16389 TABLE DATA users shop_owner
pg_restore: error: COPY failed for table "users": ERROR:  duplicate key value violates "users_pkey"
DETAIL:  Key (email)=(ada@example.com) already exists.
CONTEXT:  COPY users, line 2: "ada@example.com"
"""


def test_first_error_has_no_data() -> None:
    assert _first_error(MESSAGES) == (
        'COPY failed for table "users": ERROR:  duplicate key value violates "users_pkey"'
    )


def test_first_error_of_a_silent_program_says_so() -> None:
    assert _first_error(b"") == "it gave no reason"
