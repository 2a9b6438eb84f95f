"""Reader of policies compared with the server's, on texts in which they might differ."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

import pytest

from app_integration.auth.methods import StaticToken
from app_integration.errors import RequestRefused, Unreachable
from app_integration.secret import Secret
from app_integration.session.session import Session
from app_integration.settings import Limits
from tests.support.servers.dev_server import ROOT_TOKEN, dev_server
from tests.support.servers.server_program import openbao_only
from vault.reconcile.hcl.policy_rules import parse_rules
from vault.reconcile.hcl.tree import HclError

pytestmark = [pytest.mark.requires("embedded"), openbao_only]

FACTOR: Final = (
    'factor "a" { controlled_capabilities = ["read"] identity { group_names = ["g"] approvals = 1 }'
    " }"
)
JSON_FACTOR: Final = (
    '{"a": {"controlled_capabilities": ["read"],'
    ' "identity": {"group_names": ["g"], "approvals": 1}}}'
)


def path(body: str, name: str = "a") -> str:
    return f'path "{name}" {{\n  {body}\n}}\n'


def reading(body: str) -> str:
    return path(f'capabilities = ["read", "list"]\n  {body}')


def json_path(body: str) -> str:
    return f'{{"path": {{"a": {{"capabilities": ["read"], {body}}}}}}}'


#: What a text is about → texts, some of which the server accepts.
TEXTS: Final[dict[str, list[str]]] = {
    "white space": [
        text
        for space in "\u00a0\v\f\0\u0085\u2028\u3000\x1c\ufeff\ue123 \t\r\n"
        for text in (
            f'path{space}"a" {{ capabilities = ["read"] }}',
            f'{space}path "a" {{}}',
            f'# {space}\npath "a" {{}}',
            f'path "a{space}b" {{}}',
            f'{space}{{"path": {{"a": {{}}}}}}',
            f'{{"path": {{"a{space}b": {{}}}}}}',
        )
    ],
    "escapes": [
        text
        for escape in (
            *(r"\/", r"\'", r"\"", r"\$", r"\e", r"\400", r"\101", r"\18", r"\x4", r"\xc3\xa9"),
            *(r"\u00e9", r"\ud800", r"\ud83d\ude00", r"\U0010ffff", r"\U00110000", "${a", "$${a}"),
            *('${a"b}', "${a\nb}", r"${\q}", r"${\"}", "${\ufffd}", "${a{b}c}", "$", "é"),
        )
        for text in (path("", escape), f'{{"path": {{"{escape}": {{}}}}}}')
    ],
    "templates in a path": [
        path("", name)
        for name in (
            *("{{a}}", "{{ identity.entity.id }}", "{{a}}-{{b}}", "{{}}", "{{{a}}}", "}}", "{{"),
            *("{{a}}}}", "{{a}}{{", "{{{{a}}}}", "a}}{{b", "${{a}}", "+*", "a/+/b*", "{{+*}}"),
        )
    ],
    "expiration": [
        reading(f"expiration = {value}")
        for value in (
            *(
                '"2090-01-01T00:00:00Z"',
                '"2090-01-01T00:00:00.5+02:00"',
                '"2090-01-01T00:00:00,5Z"',
            ),
            *('"2090-01-01"', '"2090-01-01 00:00:00Z"', '"2090-01-01T00:00Z"'),
            *(
                '"2090-01-01T00:00:00"',
                '"20900101T000000Z"',
                '"2090-W01-1"',
                '"2090-02-30T00:00:00Z"',
            ),
            *('"2090-01-01T00:00:00+0200"', '"2090-01-01T00:00:00+02"', '"2090-01-01T0:00:00Z"'),
            *('"2090-01-01t00:00:00z"', '"2090-01-01T24:00:00Z"', '"2090-01-01T00:00:00.Z"'),
            *('"2090-01-01T00:00:00+24:60"', '"2090-01-01T00:00:00+25:00"', '""', '"4000000000"'),
            *('"+4000000000"', '" 4000000000"', '"4e9"', '"1_000"', '"0x10"', '"٤٠٠"'),
            *('"99999999999999999999"', "4000000000", "4000000000.5", "0x10", "true", "[]", "{}"),
        )
    ],
    "durations": [
        reading(f"min_wrapping_ttl = {value}")
        for value in (
            *('"90"', '"90s"', '"1h30m"', '"30s1h"', '"1h1h"', '"1d"', '"1d1h"', '"1.5h"', '".5s"'),
            *(
                '"5ms"',
                '"1us"',
                '"1µs"',
                '"1.s"',
                '"."',
                '"1.5d"',
                '"-5s"',
                '"+5"',
                '"5 s"',
                '"5S"',
            ),
            *(
                '"1h30"',
                '"2562047h"',
                '"2562048h"',
                '"9300000000"',
                '"\u0665"',
                '""',
                "90",
                "-5",
                "1.5",
            ),
            *("010", "018", "0x10", "1.", ".5", "-.5", "1e3", "1e999", "9300000000", "true", "[5]"),
            *("{}", "5 ", "5comment = 1", "+5", "0x", "0o7", "1_000"),
        )
    ],
    "numbers of entries": [
        reading(f"pagination_limit = {value}")
        for value in (
            *("5", '"5"', '"0x10"', '"010"', '"08"', '"0o7"', '"0b1"', '"1_000"', '"1__0"', '"_1"'),
            *(
                '"1_"',
                '"0_7"',
                '"+5"',
                '"-5"',
                '" 5"',
                '"5.0"',
                '"\u0665"',
                '""',
                '"ten"',
                "5.0",
                "010",
            ),
            *("08", "true", "[5]", "{}", "99999999999999999999", '"99999999999999999999"'),
        )
    ],
    "strings and lists": [
        *(reading(f"policy = {value}") for value in ('"write"', '""', '"admin"', "5", "[]", "{}")),
        *(reading(f"comment = {value}") for value in ("5", "true", "[1]", "{ a = 1 }", '"x"')),
        *(reading(f"comment {value}") for value in ("{}", '"x" {}', ': "x"', '= "x";', "=", "")),
        *(f"name = {value}" for value in ('"x"', "5", "5.5", "true", "[]", "{}", '["x"]')),
        *('name "x" {}', "name {}", 'Name = "x"', "name", "path"),
        *(
            path(f"capabilities = {value}")
            for value in (
                *('["read",,"list"]', '[,"read"]', "[,]", '["read",]', '["read" "list"]', "{}"),
                *("[]", '{ a = "read" }', '[["read"]]', "[true]", '["deny"]', "[<<E\nread\nE\n]"),
            )
        ),
        path("capabilities {}"),
        *(
            path(f"required_parameters = {value}")
            for value in ('["a", 5, 0x1F]', "[1.5]", "[true]", "{}", '"a"', "[]")
        ),
        *(path(f"mfa_methods = {value}") for value in ("[5]", "{}", '"a"', '["a"]')),
    ],
    "parameters": [
        path(f"allowed_parameters {value}")
        for value in (
            *("= {}", "{}", "= []", "= [{}]", "= { a = {} }", "= { a = { b = 1 } }", "= { a {} }"),
            *(
                '= { a "b" {} }',
                '= { a = "x" }',
                "= { a = [] a = [1] }",
                "= { true = [] }",
                "= { , }",
            ),
            *(
                "= { a = [], }",
                "= { a = [],, }",
                "= { a = [99999999999999999999] }",
                "= { a = [08] }",
            ),
            *("= { a = [1e999] }", "= { a = [{ b = [1] }] }", "= { a = [[1], 2] }", "= { 5 = [] }"),
            *("= { a-b.c = [] }", "= { é = [] }", "= { ² = [] }", "= { Ⅷ = [] }", "= { a٣ = [] }"),
            *(
                "= { a$ = [] }",
                "= { a = [/* c */ 1 // d\n] }",
                "= { a = [null] }",
                '= { a = ["\\400"] }',
            ),
        )
    ],
    "heredocs": [
        path(f"comment = {heredoc}")
        for heredoc in (
            *("<<END\none\nEND\n", "<<END\nEND\n", "<<-END\n  one\n  END\n", "<<-END\none\nEND\n"),
            *(
                "<<-END\none\n END\n",
                "<<END\n one\n END\n",
                "<<END\none\nEND \n",
                "<<END\none\nEND",
            ),
            *("<<1A\none\n1A\n", "<<\none\n\n", "<<-\none\n-\n", "<< END\none\nEND\n"),
            *("<<END\r\none\r\nEND\r\n", "<<A.B\none\nA.B\n", "<<A_B\none\nA_B\n", "<<é\none\né\n"),
            *(
                "<<²\none\n²\n",
                "<<END\n\vEND\n",
                "<<END\n\u00a0END\n",
                "<-E\nE\n",
                "<<E\nx\nE\r\r\n",
            ),
        )
    ],
    "control groups": [
        *(
            reading(f"control_group = {value}")
            for value in (
                *("{}", '{ ttl = "1h" }', '"x"', "[]", "[{}]", f"{{ {FACTOR} }}"),
                *(f'{{ ttl = "{ttl}" {FACTOR} }}' for ttl in ("1h", "1d", "-5s", "soon", "")),
                *(f"{{ ttl = {ttl} {FACTOR} }}" for ttl in ("0", "1.5", "true", "[]", "{}")),
                *(f"{{ self_auth_allowed = {own} {FACTOR} }}" for own in ("true", '"true"', "1")),
                *(f"{{ {key} = 1 {FACTOR} }}" for key in ("TTL", "max_ttl", "bogus")),
                f"{{ {FACTOR} {FACTOR} }}",
                *(f"{{ {FACTOR.replace('read', kind)} }}" for kind in ("help", "sudo", "deny", "")),
                *(f"{{ {FACTOR.replace('1', n)} }}" for n in ("0", "-1", '"0x1"', "1.0", '"x"')),
                *(f"{{ {FACTOR.replace(chr(34) + 'a' + chr(34), n)} }}" for n in ("", '"a" "b"')),
                f"{{ {FACTOR.replace('approvals', 'bogus = 1 Approvals')} }}",
                f"{{ {FACTOR.replace('approvals', 'bogus')} }}",
                *(f"{{ {FACTOR.replace('identity', key)} }}" for key in ("bogus", 'identity "x"')),
                *(f"{{ {FACTOR.replace('[' + quoted, '[')} }}" for quoted in ('"g"', '"read"')),
                *(f"{{ factor = {value} }}" for value in ("{}", '"x"', "[]", '{ "a" = {} }')),
            )
        ),
        path('capabilities = ["deny"] control_group {}'),
        *(
            json_path(f'"control_group": {value}')
            for value in (
                *("{}", "null", '{"ttl": "1h"}', f'{{"ttl": "1h", "factor": {JSON_FACTOR}}}'),
                *(f'{{"factor": {JSON_FACTOR}}}', f'{{"ttl": "1h", "factor": [{JSON_FACTOR}]}}'),
            )
        ),
    ],
    "filters of a list": [
        path(f"capabilities = [{granted}] list_scan_response_keys_filter_path = {template}")
        for granted in ('"list"', '"scan"', '"deny"')
        for template in (
            '"{{ .key }}"',
            '"{{.path}}{{.key}}"',
            '"{{ .path }}"',
            '"x"',
            '"{{ .key"',
            '""',
        )
    ],
    "the JSON form": [
        *(
            f'{{"path": {value}}}'
            for value in (
                *('[{"a": {}}]', '[{"a": {}}, {"b": {}}]', '[{"a": {}, "b": {}}]', "[]", "null"),
                *('{"a": [{"capabilities": ["read"]}]}', '[{"a": [{"policy": "read"}]}]', "{}"),
                *('[{"a": {}}, "x"]', '{"a": {}, "b": "x"}', '{"a": {},},', '{"a" {}}', '"a"'),
                *('{"a": {"allowed_parameters": {"x": []}}}', '{"a": {"capabilities": null}}'),
            )
        ),
        *(
            json_path(value)
            for value in (
                *('"comment": null', '"policy": null', '"pagination_limit": null'),
                *('"pagination_limit": "5"', '"pagination_limit": 5', '"pagination_limit": 0x5'),
                *('"pagination_limit": 05', '"pagination_limit": -5', '"pagination_limit": 5.'),
                *('"min_wrapping_ttl": null', '"min_wrapping_ttl": 1.5', '"expiration": null'),
                *('"comment": [1, 2]', '"comment": <<E\nx\nE\n', '"comment": "${a"', '"x": 1'),
                *(
                    '"allowed_parameters": {"a": [1, 1.5, "x"]}',
                    '"allowed_parameters": {"a": [null]}',
                ),
                *('"allowed_parameters": [{"a": []}]', '"allowed_parameters": {"a": [{"b": 1}]}'),
            )
        ),
        *('{"name": "x"}', '{"name": null}', "{}", "{,}", '{"path" = {}}', '{path: {"a": {}}}'),
        *('# c\n{"path": {"a": {}}}', '{"path": {"a": {}} // c\n}', '{"path": {"a": {}} /* c */}'),
        *('{"path": {"a": {}}, "path": {"b": {}}}', '{"paths": {"a": {}}}', "[]", '"x"'),
    ],
    "blocks": [
        *('path "a" {}, path "b" {}', 'path "a" {},, path "b" {}', ',path "a" {}', "path a.b {}"),
        *("path true {}", "path 5 {}", "path a/b {}", '"path" "a" {}', '"pa\\u0074h" "a" {}'),
        *('/path "a" {}', '/**/ path "a" {}', "/*/", "/***/", '// \r path "a" {', "#", "/ / x\n"),
        *(
            'path "a" {}\r\n# c\r\npath "b" {}\r\n',
            'path = "x"',
            "path = []",
            'path = [{ "a" {} }]',
        ),
    ],
}

#: Texts that the server accepts and the reader rejects, by what the server makes of them.
STRICTER: Final[dict[str, list[str]]] = {
    "a key counts once, or both": [
        path('capabilities = ["read"] capabilities = ["list"]'),
        path('min_wrapping_ttl = "5s" min_wrapping_ttl = "3s"'),
        json_path('"allowed_parameters": [{"a": ["1"]}, {"b": []}]'),
        json_path('"capabilities": ["list"]'),
    ],
    "the path is named path": ["path {}", "path = {}"],
    "the entry is dropped": ["path =", "name ="],
    "the second name is dropped": ['path "a" "b" {}', reading(f'control_group "x" {{ {FACTOR} }}')],
    "the name is a parameter": [path('allowed_parameters "x" {}')],
    "what follows deny or has expired is not read": [
        path('capabilities = ["deny", "raed"]'),
        path('capabilities = ["deny"] min_wrapping_ttl = "soon"'),
        path('expiration = "2000-01-01T00:00:00Z" capabilities = ["raed"]'),
    ],
    "the object ends where a comma or brace lacks": [
        *('{"path": {"a": {}}', "{", "{} x", '{"path": {"a": {"policy": "read" "comment": "x"}}}'),
        '{"path": {"a": {}}} }',
    ],
    "the list lacks the value": [
        json_path(f'"allowed_parameters": {{"a": {value}}}') for value in ("[true]", '[["1"]]')
    ],
    "a comma lacks": [
        path("allowed_parameters { a = [[1] 2] }"),
        json_path('"comment": ["a" "b"]'),
        '{"path" "a": {}}',
    ],
    "the name is not UTF-8": [path("", r"\xe9"), path("", r"\377")],
    "the number is not read, or as text": [reading("comment = 1e"), reading("expiration = 08")],
    "NUL ends nothing outside a string": ['{"path":\0 {"a": {}}}'],
    "year 0": [reading('expiration = "0000-01-01T00:00:00Z"')],
}

#: Texts that the server rejects and the reader accepts: it does not compile templates, and the
#: server takes no empty policy.
LOOSER: Final = [
    *(
        path(f'capabilities = ["list"] list_scan_response_keys_filter_path = "{template}"')
        for template in ("{{ .key | bogus }}", "{{ if .key }}a{{ end }}")
    ),
    "",
]

#: What the fuzzer inserts, removes or doubles.
PIECES: Final = [
    *(
        "\u00a0",
        "\v",
        "\f",
        "\0",
        " ",
        "\n",
        "\r",
        "\t",
        "\\",
        "\\/",
        "\\n",
        "\\u00e9",
        "\\x4",
        '"',
    ),
    *(
        "{",
        "}",
        "{{",
        "}}",
        "[",
        "]",
        "=",
        ":",
        ",",
        "#",
        "//",
        "/*",
        "*/",
        "${",
        "<<E\n",
        "<<-E\n",
    ),
    *("E\n", "5", "-", "0x", ".", "1e3", "true", "null", '"x"', "[]", "{}", "é", "²", "+*", "08"),
]
SEEDS: Final = [
    *(reading('pagination_limit = "5"\n  comment = <<-E\n    why\n    E'), 'path "a/{{b}}" {}\n'),
    path('policy = "write"\n  allowed_parameters = { "*" = [], ttl = ["1h", 2, true, [1], {}] }'),
    reading(f'expiration = "2090-01-01T00:00:00Z"\n  control_group {{ ttl = "1h" {FACTOR} }}'),
    'name = "x" // c\npath "b" { min_wrapping_ttl = 90, max_wrapping_ttl = "2m" } /* d */\n',
    json_path('"comment": "x", "pagination_limit": 5, "required_parameters": ["y"]'),
    '{"path": [{"a": {"policy": "read", "control_group": {"ttl": 5, "factor": FACTOR}}}]}'.replace(
        "FACTOR", JSON_FACTOR
    ),
]
MUTANTS: Final = 250


@pytest.fixture(scope="module")
def server() -> Iterator[Session]:
    # Without retries, because a text on which the server's parser panics cuts the connection.
    with (
        dev_server() as address,
        Session(address, StaticToken(Secret(ROOT_TOKEN)), limits=Limits(retry_window=0)) as session,
    ):
        yield session


def is_accepted(session: Session, text: str) -> bool:
    try:
        session.post("sys/policies/acl/tried", {"policy": text})
    except (RequestRefused, Unreachable):  # the latter if the server's parser panics
        return False
    return True


def is_read(text: str) -> bool:
    try:
        parse_rules(text)
    except HclError:
        return False
    return True


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_reader_accepts_what_the_server_accepts(server: Session, texts: list[str]) -> None:
    accepted = {text for text in texts if is_accepted(server, text)}
    assert {text for text in texts if is_read(text)} == accepted
    assert accepted
    assert accepted != set(texts)


@pytest.mark.parametrize("texts", STRICTER.values(), ids=STRICTER)
def test_reader_rejects_what_the_server_misreads(server: Session, texts: list[str]) -> None:
    assert [text for text in texts if not is_accepted(server, text)] == []
    assert [text for text in texts if is_read(text)] == []


def test_server_rejects_texts_beyond_the_reader(server: Session) -> None:
    assert [text for text in LOOSER if is_accepted(server, text)] == []
    assert [text for text in LOOSER if not is_read(text)] == []


def mutant(number: int) -> str:
    """Return a policy with one or two changes; the same one for the same *number*."""
    choice = random.Random(number)  # noqa: S311 (changes to a text)
    text = choice.choice(SEEDS)
    for _ in range(choice.randint(1, 2)):
        at, piece = choice.randrange(len(text)), choice.choice(PIECES)
        text = text[:at] + piece + text[at + choice.choice((0, 0, 1)) :]
    return text


def test_reader_accepts_no_mutant_that_the_server_rejects(server: Session) -> None:
    mutants = [mutant(number) for number in range(MUTANTS)]
    read = [text for text in mutants if is_read(text)]
    assert [text for text in read if not is_accepted(server, text)] == []
    assert 0 < len(read) < MUTANTS
