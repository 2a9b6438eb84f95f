"""Benchmark of decisions about ACL policies: what many policies cost beside few.

python -m benchmarks.policies
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from benchmarks.ratio import Case, Run, measure, repeated, report
from policies.acl.policy import Policy, read_policy
from policies.acl.policy_set import PolicySet

_FEW: Final = 100
_MANY: Final = 10_000
_OF_TOKEN: Final = tuple(f"team-{number}" for number in range(20))
_RULES: Final = 15
_TURNS: Final = 9


@contextmanager
def cases() -> Iterator[Iterator[Case]]:
    """Yield the cases, which need no server."""
    many = [_policy(number, _RULES) for number in range(_MANY)]
    few, all_ = PolicySet(many[:_FEW]), PolicySet(many)
    one = many[0]
    yield iter(
        (
            Case("policy decision", _decide(all_), _decide(few), f"{_FEW} policies", bar=1.6),
            Case(
                "policy of a token, merged",
                repeated(lambda: all_.acl(_OF_TOKEN)),
                repeated(lambda: few.acl(_OF_TOKEN)),
                f"{_FEW} policies",
                bar=1.6,
            ),
            Case(
                "policy of 150 rules, read",
                repeated(lambda: _policy(0, 10 * _RULES)),
                repeated(lambda: [_policy(0, _RULES) for _ in range(10)]),
                "10 of 15",
                bar=1.2,
            ),
            Case(
                "one policy changed",
                repeated(lambda: all_.replace(one)),
                repeated(lambda: _policy(0, _RULES)),
                "reading one",
                bar=50,
            ),
        )
    )


def _policy(number: int, rules: int) -> Policy:
    name = f"team-{number}"
    paths = (
        f"kv/+/{name}/part-{each}" if each % 3 == 0 else f"kv/data/{name}/part-{each}/*"
        for each in range(rules)
    )
    text = "\n".join(f'path "{path}" {{ capabilities = ["read", "list"] }}' for path in paths)
    return read_policy(name, text)


def _decide(policies: PolicySet) -> Run:
    acl = policies.acl(_OF_TOKEN)
    return repeated(lambda: acl.evaluate("kv/data/team-8/part-4/database", "read"))


def main() -> int:
    """Measure the cases and print them."""
    with cases() as each:
        found = [measure(case, _TURNS) for case in each]
    return report(found)


if __name__ == "__main__":
    sys.exit(main())
