"""Policy ``default``, as a new server has it: each token has it unless it was made without."""

from __future__ import annotations

from typing import Final

from policies.acl.policy import read_policy

_READ: Final = (
    "auth/token/lookup-self",
    "identity/entity/id/{{identity.entity.id}}",
    "identity/entity/name/{{identity.entity.name}}",
    "sys/internal/ui/resultant-acl",
)
_UPDATE: Final = (
    *("auth/token/renew-self", "auth/token/revoke-self", "sys/capabilities-self"),
    *("sys/leases/renew", "sys/leases/lookup", "sys/tools/hash", "sys/tools/hash/*"),
    *("sys/wrapping/wrap", "sys/wrapping/lookup", "sys/wrapping/unwrap"),
)
_RULES: Final = {
    **dict.fromkeys(_READ, '"read"'),
    **dict.fromkeys(_UPDATE, '"update"'),
    "cubbyhole/*": '"create", "read", "update", "delete", "list"',
    "identity/oidc/provider/+/authorize": '"read", "update"',
}
#: The policy. Its operators may have changed the one of their server.
DEFAULT_POLICY: Final = read_policy(
    "default",
    "\n".join(f'path "{path}" {{ capabilities = [{words}] }}' for path, words in _RULES.items()),
)
