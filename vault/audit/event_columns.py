"""Columns of a line of the server's audit log, and the SQL that reads them.

DuckDB reads each line as JSON with declared columns. The ``data`` of a request and of a response
stay JSON, because their shape differs by path.
"""

from __future__ import annotations

from typing import Final

#: Fields of a line, as DuckDB reads them. A time stays text, because its precision differs.
JSON_COLUMNS: Final = {
    "time": "VARCHAR",
    "type": "VARCHAR",
    "error": "VARCHAR",
    "auth": (
        "STRUCT(client_token VARCHAR, accessor VARCHAR, display_name VARCHAR, policies VARCHAR[],"
        " entity_id VARCHAR, token_type VARCHAR, token_ttl BIGINT, token_issue_time VARCHAR,"
        " metadata JSON, policy_results STRUCT(allowed BOOLEAN))"
    ),
    "request": (
        "STRUCT(id VARCHAR, operation VARCHAR, path VARCHAR, mount_type VARCHAR,"
        " mount_point VARCHAR, namespace STRUCT(path VARCHAR), remote_address VARCHAR, data JSON)"
    ),
    "response": (
        "STRUCT(auth STRUCT(accessor VARCHAR, token_ttl BIGINT), secret STRUCT(lease_id VARCHAR),"
        " wrap_info JSON, data JSON)"
    ),
}

#: Names that columns read in the data of a request, where a client chooses them, and of a response.
DATA_NAMES: Final = {
    "request": ("secret_id", "accessor"),
    "response": (
        *("error", "http_status_code", "metadata", "key_version", "batch_results"),
        *("username", "keys"),
    ),
}

#: Column → its expression over the fields of a line.
EXPRESSIONS: Final = {
    "time": "CAST(time AS TIMESTAMP_NS)",
    "type": "type",
    "error": "error",
    "request_id": "TRY_CAST(request.id AS UUID)",
    "operation": "request.operation",
    "path": "request.path",
    "namespace": "rtrim(coalesce(request.namespace.path, ''), '/')",
    "mount_type": "request.mount_type",
    "mount_point": "request.mount_point",
    "address": "request.remote_address",
    "display_name": "nullif(auth.display_name, '')",
    # HMACs, by the salt of the device. A batch token has no accessor.
    "token": "nullif(auth.client_token, '')",
    "accessor": "nullif(auth.accessor, '')",
    "entity_id": "nullif(auth.entity_id, '')",
    "token_type": "auth.token_type",
    "token_ttl": "auth.token_ttl",
    # The server writes it with the offset of its time zone, which a cast to TIMESTAMP would ignore.
    "token_issued": "make_timestamp(epoch_us(TRY_CAST(auth.token_issue_time AS TIMESTAMPTZ)))",
    "policies": "auth.policies",
    "allowed": "auth.policy_results.allowed",
    # The role of an AppRole or of another method; the host and the name of the secret-id.
    "role": (
        "coalesce(auth.metadata->>'role_name', auth.metadata->>'role', auth.metadata->>'cert_name')"
    ),
    "host": "auth.metadata->>'host'",
    "issued": "auth.metadata->>'issued'",
    "username": "auth.metadata->>'username'",
    # The token that the request issued or renewed.
    "new_accessor": "nullif(response.auth.accessor, '')",
    "new_ttl": "response.auth.token_ttl",
    "lease_id": "response.secret.lease_id",
    "is_wrapped": "response.wrap_info IS NOT NULL",
    "has_data": "response.data IS NOT NULL",
    "data_error": "(response.data->>'error') IS NOT NULL",
    "http_status": "TRY_CAST(response.data->>'http_status_code' AS INTEGER)",
    # Of a secret that was read; of a key that encrypted.
    "version": "TRY_CAST(response.data->'metadata'->>'version' AS BIGINT)",
    # Of a batch the newest one, because an item that failed has none.
    "key_version": (
        "coalesce(TRY_CAST(response.data->>'key_version' AS BIGINT), list_max(TRY_CAST("
        "response.data->>'$.batch_results[*].key_version' AS BIGINT[])))"
    ),
    # Of a database user, an HMAC unless the mount shows it.
    "database_user": "response.data->>'username'",
    # A list elides its keys to their number, if the device is told to.
    "keys_listed": (
        "coalesce(CAST(json_array_length(response.data->'keys') AS BIGINT),"
        " TRY_CAST(response.data->>'keys' AS BIGINT))"
    ),
    "secret_id": "request.data->>'secret_id'",
    # Of the token that the request looked up, renewed or revoked.
    "given_accessor": "request.data->>'accessor'",
}

#: What became of a request: denied, failed, absent, or ok. An error need not be in ``error``, and
#: its absence is no success: some engines put it into the data of the response only.
OUTCOME: Final = """
CASE
    WHEN allowed IS FALSE OR error LIKE '%permission denied%' THEN 'denied'
    WHEN http_status = 404 THEN 'absent'
    WHEN coalesce(error, '') <> '' OR data_error OR http_status >= 400 THEN 'failed'
    WHEN operation IN ('read', 'list') AND NOT has_data AND NOT is_wrapped
        AND new_accessor IS NULL AND lease_id IS NULL THEN 'absent'
    ELSE 'ok'
END
"""

#: A standby's line of a request that it passed to the leader, whose line has what became of it. One
#: of some logins names the reason by an HMAC only; a wrong credential of theirs has another error.
PASSED_ON: Final = """
coalesce(error LIKE '%cannot write to readonly storage%' OR (
    error = 'invalid request' AND data_error AND regexp_matches(path, '/login(/|$)')
    AND mount_type IN ('approle', 'userpass', 'jwt', 'cert', 'kubernetes')
), false)
"""

#: An error of the server itself, such as in an election: it says nothing of the credential.
SERVER_FAULT: Final = """
regexp_matches(coalesce(error, ''),
    'internal error|not the leader|leadership lost|not active|sealed|context canceled|deadline')
"""

#: The one who sent no token, in the column ``actor``.
NO_TOKEN: Final = "(no token)"  # noqa: S105 (a name, not a token)
#: Who sent a request: a person, the role of a program, or what else names the token.
ACTOR: Final = f"""
CASE
    WHEN username IS NOT NULL THEN username
    WHEN mount_type IS DISTINCT FROM 'oidc' AND role IS NOT NULL
        AND NOT starts_with(coalesce(display_name, ''), 'oidc-') THEN role
    WHEN accessor IS NULL AND token IS NULL THEN '{NO_TOKEN}'
    ELSE coalesce(display_name, '(unnamed token)')
END
"""


def select_lines(source: str) -> str:
    """Return a query of all columns of the lines that *source*, a table function, reads.

    Args:
        source: SQL of a table with the fields of :data:`JSON_COLUMNS`.

    """
    columns = ", ".join(f"{expression} AS {name}" for name, expression in EXPRESSIONS.items())
    return f"SELECT {columns} FROM {source}"
