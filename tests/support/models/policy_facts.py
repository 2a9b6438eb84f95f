"""Facts about policies that surprise: a rule, a request, and whether the server carries it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from policies.acl.request import Request

PATH: Final = "k1/a"


@dataclass(frozen=True)
class Fact:
    """What a policy does with a request."""

    policy: str
    request: Request
    is_allowed: bool
    path: str = PATH
    name: str = field(default="", compare=False)

    def __str__(self) -> str:
        word = "allows" if self.is_allowed else "refuses"
        given = f" {dict(self.request.parameters)}" if self.request.parameters else ""
        return f"{self.name} {word} {self.request.operation}{given}"


def _rule(limits: str, path: str = PATH) -> str:
    words = '"create", "read", "update", "delete", "list"'
    return f'path "{path}" {{\n  capabilities = [{words}]\n  {limits}\n}}\n'


def _write(**given: Any) -> Request:
    return Request("update", given, None, 0)


def _read(**given: Any) -> Request:
    return Request("read", given, None, 0)


def _list(**given: Any) -> Request:
    return Request("list", given, None, 0)


_DELETE: Final = Request("delete", {}, None, 0)

#: A limit → requests that a rule with it carries out, and those that it does not.
_LIMITS: Final[dict[str, tuple[list[Request], list[Request]]]] = {
    'allowed_parameters = {"k" = ["ab*"]}': ([_write(k="ab"), _write(k="abc")], [_write(k="xab")]),
    'allowed_parameters = {"k" = ["*ab"]}': ([_write(k="xab")], [_write(k="abx")]),
    'allowed_parameters = {"k" = ["*ab*"]}': ([_write(k="xabx")], [_write(k="a")]),
    'allowed_parameters = {"k" = ["a*b"]}': ([_write(k="a*b")], [_write(k="axb")]),
    r'allowed_parameters = {"k" = ["a\\*"]}': ([_write(k="a\\x")], [_write(k="a*")]),
    'allowed_parameters = {"k" = ["*"]}': (
        [_write(k="*")],
        [_write(k=each) for each in ("", "x", 5, True, None)],
    ),
    'allowed_parameters = {"k" = ["a", "b"]}': (
        [_write(k="a"), _write()],
        [_write(k=each) for each in ("a,b", ["a"], [])],
    ),
    'allowed_parameters = {"k" = [["a", "b"]]}': ([_write(k=["a", "b"])], [_write(k=["b", "a"])]),
    'allowed_parameters = {"k" = [5]}': ([], [_write(k=each) for each in (5, 5.0, "5")]),
    'allowed_parameters = {"k" = ["5"]}': ([_write(k="5")], [_write(k=5)]),
    'allowed_parameters = {"k" = [true]}': ([_write(k=True)], [_write(k="true")]),
    'allowed_parameters = {"k" = ["z"]}': ([_read(), _write(K="z")], [_read(version="1")]),
    'allowed_parameters = {"data" = []}': (
        [_write(data={"q": 1})],
        [_write(data={"q": 1}, options={})],
    ),
    'denied_parameters = {"q" = []}': ([_write(data={"q": 1})], [_write(q=1), _write(Q=1)]),
    'denied_parameters = {"k" = ["ab*"]}': ([_write(k="a")], [_write(k="abc")]),
    'denied_parameters = {"*" = []}': ([_read(), _write()], [_write(k=1), _read(version="1")]),
    'required_parameters = ["k"]': (
        [_write(k=""), _write(k=None), _DELETE],
        [_read(), _write(), _write(K="x")],
    ),
    "pagination_limit = 1": ([_list(), _list(limit="1")], [_list(limit="2"), _list(limit="x")]),
    'min_wrapping_ttl = "5s"': (
        [Request("read", {}, 5, 0), Request("read", {}, 60, 0)],
        [_read(), Request("read", {}, 4, 0)],
    ),
    'max_wrapping_ttl = "5s"': (
        [Request("read", {}, 1, 0)],
        [_read(), Request("read", {}, 6, 0)],
    ),
    'expiration = "2020-01-31T12:00:00Z"': ([], [_read(), _write()]),
    'expiration = "2999-01-31T12:00:00Z"': ([_read(), _write()], []),
}
_ONLY_UPDATE: Final = 'path "k1/a" { capabilities = ["update"] }'
_ONLY_CREATE: Final = 'path "k1/a" { capabilities = ["create"] }'
_READ: Final = 'path "k1/a" { capabilities = ["read"] }'
_JSON: Final = '{"path": {"k1/a": {"capabilities": ["read"]}}}'
_NEW: Final = Request("create", {"k": "x"}, None, 0)

FACTS: Final = (
    *(
        Fact(_rule(limit), request, is_allowed, name=limit)
        for limit, cases in _LIMITS.items()
        for is_allowed, requests in zip((True, False), cases, strict=True)
        for request in requests
    ),
    Fact(_ONLY_UPDATE, _NEW, is_allowed=False, name="update only"),
    Fact(_ONLY_UPDATE, _write(k="x"), is_allowed=True, name="update only"),
    Fact(_ONLY_CREATE, _NEW, is_allowed=True, name="create only"),
    Fact(_ONLY_CREATE, _write(k="x"), is_allowed=False, name="create only"),
    Fact(_rule("", "k1/*"), _write(k="x"), is_allowed=True, name="a glob alone"),
    Fact(_rule("", "k1/*") + _READ, _write(k="x"), is_allowed=False, name="a closer rule"),
    Fact(_JSON, _read(), is_allowed=True, name="JSON"),
    Fact(_rule("", "k1/+"), _list(), is_allowed=True, path="k1/", name="list of k1/+"),
    Fact(_rule("", "k1/a/"), _list(), is_allowed=True, name="list of k1/a/"),
    Fact(_rule("", "k1/a/"), _read(), is_allowed=False, name="list of k1/a/"),
)
