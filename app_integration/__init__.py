"""Secrets, leased database users, field encryption and delivered config for a Python service.

>>> from app_integration import get_secret, encrypt_field, decrypt_field
>>> get_secret("jwt-secret")                          # doctest: +SKIP
[REDACTED]
>>> token = encrypt_field("a@b.c", context={"user_id": 7})   # doctest: +SKIP
>>> decrypt_field(token, context={"user_id": 7})      # doctest: +SKIP
'a@b.c'

``docs/reference/Variables.md`` says how a process finds its server and its identity.
:mod:`app_integration.errors` lists the errors.
"""

from __future__ import annotations

from app_integration import errors, redaction
from app_integration._api.config import load_config, watch_config
from app_integration._api.database import (
    async_database_engine,
    async_database_pool,
    async_redis_client,
    database_engine,
    database_pool,
    redis_client,
)
from app_integration._api.encryption import (
    adecrypt_field,
    aencrypt_field,
    blind_index,
    declare_index,
    decrypt_field,
    encrypt_field,
    field,
    transit,
    use_data_keys,
    use_index_keys,
)
from app_integration._api.files import (
    decrypt_file,
    encrypt_file,
    encrypted_log_handler,
    open_encrypted,
)
from app_integration._api.hvac import hvac_client
from app_integration._api.rotated_secrets import (
    acurrent_and_previous,
    averification_keys,
    current_and_previous,
    on_change,
    verification_keys,
)
from app_integration._api.secrets import (
    aget_secret,
    arequire,
    get_secret,
    get_secret_info,
    require,
)
from app_integration.default_client import close
from app_integration.secret import Secret

__all__ = [
    "Secret",
    "acurrent_and_previous",
    "adecrypt_field",
    "aencrypt_field",
    "aget_secret",
    "arequire",
    "async_database_engine",
    "async_database_pool",
    "async_redis_client",
    "averification_keys",
    "blind_index",
    "close",
    "current_and_previous",
    "database_engine",
    "database_pool",
    "declare_index",
    "decrypt_field",
    "decrypt_file",
    "encrypt_field",
    "encrypt_file",
    "encrypted_log_handler",
    "errors",
    "field",
    "get_secret",
    "get_secret_info",
    "hvac_client",
    "load_config",
    "on_change",
    "open_encrypted",
    "redaction",
    "redis_client",
    "require",
    "transit",
    "use_data_keys",
    "use_index_keys",
    "verification_keys",
    "watch_config",
]
