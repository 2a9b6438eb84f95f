"""Columns of a line of the server's audit log: its fields, and the SQL that reads them.

DuckDB reads each line as JSON with declared fields. The ``data`` of a request and of a response
differs by path: it has what columns read of it.
"""

from __future__ import annotations

from typing import Final

from vault.audit.field_type import FieldType
from vault.audit.line import TIME, Grammar, select_time


def _texts(*names: str) -> dict[str, FieldType]:
    return dict.fromkeys(names, str)


#: Lines of the server's audit devices. A time stays text, because its precision differs.
LINES: Final = Grammar(
    {
        **_texts("time", "type", "error"),
        "auth": {
            **_texts("client_token", "accessor", "display_name", "entity_id"),
            **_texts("token_type", "token_issue_time"),
            "token_ttl": int,
            "policies": [str],
            "metadata": _texts("role_name", "role", "cert_name", "username", "host", "issued"),
            "policy_results": {"allowed": bool},
        },
        "request": {
            **_texts("id", "operation", "path", "mount_type", "mount_point", "remote_address"),
            "namespace": _texts("path"),
            "data": _texts("secret_id", "accessor"),
        },
        "response": {
            "auth": {"accessor": str, "token_ttl": int},
            "secret": _texts("lease_id"),
            "wrap_info": str,
            "data": {
                **_texts("error", "username", "keys"),
                **dict.fromkeys(("http_status_code", "key_version"), int),
                "metadata": {"version": int},
                "batch_results": [{"key_version": int}],
            },
        },
    },
    required=("time", "type"),
)

#: Column → its expression over the fields of a line.
EXPRESSIONS: Final = {
    # The cast ignores the offset, which the server never writes.
    "time": (
        f"CASE WHEN regexp_full_match(time, '{TIME}') AND ends_with(time, 'Z')"
        " THEN CAST(time AS TIMESTAMP_NS) END"
    ),
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
    # The server writes it with the offset of its time zone.
    "token_issued": select_time("auth.token_issue_time"),
    "policies": "auth.policies",
    "allowed": "auth.policy_results.allowed = 'true'",
    # The role of an AppRole or of another method; the host and the name of the secret-id.
    "role": "coalesce(auth.metadata.role_name, auth.metadata.role, auth.metadata.cert_name)",
    "host": "auth.metadata.host",
    "issued": "auth.metadata.issued",
    "username": "auth.metadata.username",
    # The token that the request issued or renewed.
    "new_accessor": "nullif(response.auth.accessor, '')",
    "new_ttl": "response.auth.token_ttl",
    "lease_id": "response.secret.lease_id",
    "is_wrapped": "response.wrap_info IS NOT NULL",
    "has_data": "response.data IS NOT NULL",
    "data_error": "response.data.error IS NOT NULL",
    "http_status": "TRY_CAST(response.data.http_status_code AS INTEGER)",
    # Of a secret that was read; of a key that encrypted.
    "version": "response.data.metadata.version",
    # Of a batch the newest one, because an item that failed has none.
    "key_version": (
        "coalesce(response.data.key_version, list_max(list_transform("
        "response.data.batch_results, lambda item: item.key_version)))"
    ),
    # Of a database user, an HMAC unless the mount shows it.
    "database_user": "response.data.username",
    # A list elides its keys to their number, if the device is told to.
    "keys_listed": (
        "coalesce(TRY_CAST(response.data.keys AS BIGINT), CASE WHEN json_valid(response.data.keys)"
        " THEN CAST(json_array_length(response.data.keys) AS BIGINT) END)"
    ),
    "secret_id": "request.data.secret_id",
    # Of the token that the request looked up, renewed or revoked.
    "given_accessor": "request.data.accessor",
}

#: Outcome of a request: denied, failed, absent, or ok. An error need not be in ``error``, and
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
    """Return a query of all columns of the lines that *source*, a table function, reads."""
    columns = ", ".join(f"{expression} AS {name}" for name, expression in EXPRESSIONS.items())
    return f"SELECT {columns} FROM {source}"
