"""Tokens that were issued, and database users that were leased."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vault.audit.event_columns import NO_TOKEN
from vault.audit.report.activity import Answer, ask, count_where

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def find_churn(connection: DuckDBPyConnection) -> Answer:
    """Return for each day and actor how often it logged in, and how its tokens were used."""
    return ask(
        connection,
        f"""
        SELECT strftime(hour, '%Y-%m-%d') AS day, actor, {count_where("is_login")} AS logins,
            {count_where("engine = 'token' AND starts_with(action, 'create')")} AS issued,
            {count_where("engine = 'token' AND starts_with(action, 'renew')")} AS renewed,
            {count_where("engine = 'token' AND starts_with(action, 'revoke')")} AS revoked,
            {count_where("category = 'read'")} AS reads
        FROM activity WHERE outcome = 'ok' AND actor <> ?
        GROUP BY ALL HAVING logins + issued + renewed + revoked > 0
        ORDER BY day DESC, logins DESC, actor
        """,
        [NO_TOKEN],
    )


def find_token_use(connection: DuckDBPyConnection) -> Answer:
    """Return for each actor how many tokens it used, and how many for one request only.

    A token's own login, renewal, look-up and revocation do not count. A token without an accessor,
    of a batch, is known by its own HMAC.
    """
    return ask(
        connection,
        """
        WITH tokens AS (
            SELECT actor, coalesce(accessor, token) AS token, bool_or(is_login) AS has_login,
                count(*) FILTER (NOT is_login AND path NOT IN
                    ('auth/token/renew-self', 'auth/token/revoke-self', 'auth/token/lookup-self'))
                    AS uses
            FROM period_events
            WHERE actor IN (SELECT actor FROM activity) AND coalesce(accessor, token) IS NOT NULL
            GROUP BY ALL
        ),
        logins AS (
            SELECT actor, CAST(sum(count) FILTER (category = 'login') AS BIGINT) AS logins,
                CAST(sum(count) FILTER (category = 'read') AS BIGINT) AS reads
            FROM activity WHERE outcome = 'ok' GROUP BY actor
        )
        SELECT actor, count(*) AS tokens, count(*) FILTER (uses = 0) AS unused,
            count(*) FILTER (uses = 1) AS used_once,
            coalesce(any_value(logins), 0) AS logins, coalesce(any_value(reads), 0) AS reads,
            round(any_value(logins) / nullif(any_value(reads), 0), 3) AS logins_per_read
        FROM tokens LEFT JOIN logins USING (actor)
        GROUP BY actor ORDER BY logins DESC, tokens DESC, actor
        """,
    )


def find_database_users(connection: DuckDBPyConnection) -> Answer:
    """Return the database users that were leased, and who got each.

    The name of a user is null unless the mount shows it in the log.
    """
    return ask(
        connection,
        """
        WITH roles AS (
            SELECT DISTINCT path, environment, service, object AS role
            FROM activity WHERE engine = 'database' AND action = 'creds'
        )
        SELECT utc(time) AS time, environment, service, roles.role, lease_id,
            CASE WHEN starts_with(database_user, 'hmac-') THEN NULL ELSE database_user END AS user,
            actor, host, address
        FROM period_events AS events JOIN roles USING (path)
        WHERE outcome = 'ok'
        ORDER BY events.time DESC, lease_id
        """,
    )
