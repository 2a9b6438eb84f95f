"""HCL syntax: the value of each notation, and the line of each fault."""

from __future__ import annotations

from typing import Any

import pytest

from vault.reconcile.hcl.syntax import parse
from vault.reconcile.hcl.tree import MAX_DEPTH, Block, HclError, Node


def plain(node: Node) -> Any:
    """Return the value of *node*, a block as a list of (line, keys, value)."""
    value = node.value
    if isinstance(value, Block):
        return entries(value)
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return value


def entries(block: Block) -> list[tuple[int, tuple[str, ...], Any]]:
    return [(each.line, each.keys, plain(each.node)) for each in block.entries]


def value_of(text: str) -> Any:
    (entry,) = parse(f"a = {text}", "x.hcl").entries
    return plain(entry.node)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("0", 0),
        ("-12", -12),
        ("0x1F", 31),
        ("-0x1f", -31),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        ('"text"', "text"),
        ("[]", []),
        ('["a", 1, true]', ["a", 1, True]),
        ("[1, 2,]", [1, 2]),
        ("[[1], [2]]", [[1], [2]]),
        ("{}", []),
        ("{ b = 1 }", [(1, ("b",), 1)]),
    ],
)
def test_parse_value_returns_its_type(text: str, value: Any) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"\n\t\"\\"', '\n\t"\\'),
        (r'"\a\b\f\r\v"', "\a\b\f\r\v"),
        (r'"\x41\u00e9\U0001F600"', "Aé😀"),
        (r'"\101"', "A"),
        (r'"\xc3\xa9\303\251\ud800"', "éé\ufffd"),
        (r'"${a\n"b"{c}}\n"', '${a\\n"b"{c}}\n'),
        ('"$ and ${a.b}"', "$ and ${a.b}"),
        ('"é 日本"', "é 日本"),
    ],
    ids=["common", "control", "by number", "octal", "bytes", "inside", "interpolation", "none"],
)
def test_parse_escapes_as_the_server_does(text: str, value: str) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<<END\none\n  two\nEND\n", "one\n  two\n"),
        ("<<END\nEND\n", ""),
        ("<<-END\n    one\n      two\n    END\n", "one\n  two\n"),
        ("<<-END\n    one\n  two\n    END\n", "    one\n  two\n"),
        ("<<-END\n  one\n END\n", " one\n"),
        ("<<-END\n  END\n", ""),
        ("<<END\n  one\n  END\n", "  one\n  "),
        ("<<END\r\none\r\nEND\r\n", "one\n"),
    ],
)
def test_parse_heredoc_returns_the_text_that_the_server_reads(text: str, value: str) -> None:
    assert value_of(text) == value


def test_parse_returns_the_line_where_each_node_begins() -> None:
    text = (
        "# a comment\n"
        'path "x" {\n'
        "  a = 1 // another\n"
        "\n"
        "  /* two\n"
        "     lines */ b = [\n"
        "    2\n"
        "  ]\n"
        "  c = <<END\n"
        "one\n"
        "END\n"
        "  d {\n"
        "    e = {}\n"
        "  }\n"
        "}\n"
    )
    (path,) = parse(text, "x.hcl").entries
    assert (path.line, path.keys, path.node.line) == (2, ("path", "x"), 2)
    assert isinstance(path.node.value, Block)
    inner = path.node.value.entries
    assert [(each.line, each.keys, each.node.line) for each in inner] == [
        (3, ("a",), 3),
        (6, ("b",), 6),
        (9, ("c",), 9),
        (12, ("d",), 12),
    ]
    assert isinstance(inner[1].node.value, tuple)
    assert inner[1].node.value[0].line == 7
    assert isinstance(inner[3].node.value, Block)
    assert inner[3].node.value.entries[0].node.line == 13


def test_parse_accepts_quoted_names_and_commas_between_entries() -> None:
    assert entries(parse('a = 1, "b" = 2\nc d "e" {}', "x.hcl")) == [
        (1, ("a",), 1),
        (1, ("b",), 2),
        (2, ("c", "d", "e"), []),
    ]


def test_parse_json_returns_the_same_tree() -> None:
    text = '{\n  "path": {\n    "x": {"capabilities": ["read"]}\n  }\n}'
    assert entries(parse(text, "x.json")) == [
        (3, ("path", "x"), [(3, ("capabilities",), ["read"])]),
    ]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ('{"path": [{"x": {"a": 1}}, {"y": {"a": 1}}]}', [("path", "x"), ("path", "y")]),
        ('{"path": [{"x": {"a": 1}, "y": {"a": 1},}]}', [("path", "x"), ("path", "y")]),
        ('{"path": {"x": {"a": 1}, "y": {}}}', [("path", "x"), ("path", "y")]),
        ('{"path": {"x": [{"a": 1}]}}', [("path",)]),
        ('{"path": {"x": {"a": {"b": {}}}}}', [("path", "x", "a", "b")]),
        ('{"path": [{"x": {"a": 1}}, 2]}', [("path",)]),
        ('{"path": {}, "name": null}', [("name",)]),
        ("{}", []),
    ],
)
def test_parse_json_merges_objects_as_the_server_does(
    text: str, keys: list[tuple[str, ...]]
) -> None:
    assert [each.keys for each in parse(text, "x.json").entries] == keys


def test_parse_json_merges_objects_inside_a_block() -> None:
    text = '{"path": {"x": {"a": 1, "f": {"g": {"b": null, "c": [{"d": {"e": 2}}]}}}}}'
    assert entries(parse(text, "x.json")) == [
        (
            1,
            ("path", "x"),
            [(1, ("a",), 1), (1, ("f", "g"), [(1, ("b",), ""), (1, ("c", "d"), [(1, ("e",), 2)])])],
        )
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("-5", -5), ("0", 0), ("-0", 0), ("0.5", 0.5), ("0e1", 0.0), ("0E1", 0.0), ("true", True)],
)
def test_parse_json_value_returns_its_type(text: str, value: Any) -> None:
    (entry,) = parse(f'{{"a": {text}}}', "x.json").entries
    assert entry.node.value == value
    assert type(entry.node.value) is type(value)


def test_parse_json_returns_the_line_where_each_node_begins() -> None:
    text = '{\n"a": null,\n"b":\n[\n1,\n{"c":\n2}],\n"d":\n{"e": 3}\n}'
    a, b, d = parse(text, "x.json").entries
    assert [(each.line, each.node.line) for each in (a, b, d)] == [(2, 2), (3, 4), (8, 9)]
    assert isinstance(b.node.value, tuple)
    assert [each.line for each in b.node.value] == [5, 6]


@pytest.mark.parametrize(
    ("text", "value"),
    [("010", 8), ("-0X1f", -31), ("1.", 1.0), (".5", 0.5), ("00", 0), ("[,1,,2]", [1, 2])],
)
def test_parse_value_of_rare_notation_is_the_servers(text: str, value: Any) -> None:
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a = 1\nb", 2, "expected '=' or '{' after 'b', the file ends"),
        ("a = 1\n= 2", 2, "expected a name, found '='"),
        ("a =", 1, "the file ends"),
        ("a =\n\n", 3, "the file ends"),
        ("a = [1", 1, "expected ',' or ']' in a list, the file ends"),
        ("a = [\n1\n", 3, "expected ',' or ']' in a list, the file ends"),
        ("a = [", 1, "1: the list is not closed by ']'"),
        ("b = 1\na = [\n1,\n", 2, "2: the list is not closed by ']'"),
        ("a {\n", 1, "'a' is not closed"),
        ("a = { b = 1", 1, "is not closed"),
        ("{} x", 1, "expected the end of the file, found 'x'"),
        (r'a = "\400"', 1, "the string has an invalid escape"),
        (r'a = "\U00110000"', 1, "the string has an invalid escape"),
        (r'a = "${\q}"', 1, "the string has an invalid escape"),
        ('a = "${b"\n', 1, "the string is not closed by '\"' on its line"),
        (r'a = "\xff"', 1, "the string is not UTF-8"),
        ("a = 1\n# b\0", 2, r"unexpected character '\x00'"),
        ("a = 1\nb² = 2", 2, "unexpected character '²'"),
        ("a = 1\nfalse = 2", 2, "expected a name, found 'false'"),
        ("a = {\n", 1, "the block of '{' is not closed by '}'"),
        ('\n {"a": 1 2}', 2, "expected ',' or '}', found '2'"),
        ("a = 1\ntrue = 2", 2, "expected a name, found 'true'"),
        ("a = 1\nb = 1e", 2, "1e is not a number"),
        ("a = 1\nb = 0x", 2, "unexpected character '0'"),
        ("a = <<END\nx\nEND", 1, "the heredoc is not closed by its end line"),
        ("a = <<END²\nx\nEND²\n", 1, "unexpected character '²'"),
        ("# a\n{}", 2, "expected a name, found '{'"),
        ('{"a": 1,\n"b" 2}', 2, "expected ':' after 'b', found '2'"),
        ('{"a": 1\n"b": 2}', 2, "expected ',' or '}', found '\"b\"'"),
        ('{"a": 1,\nb: 2}', 2, "expected a name in quotes, found 'b'"),
        ('{"a": 1}\n}', 2, "expected the end of the file, found '}'"),
        ('{"a":\n05}', 2, "05 is not a number of JSON"),
        ('{"a":\n0x5}', 2, "0x5 is not a number of JSON"),
        ('{"a": [\ntrue]}', 2, "the server loses true in a list of the JSON form; write HCL"),
        ('{"a": [\nfalse]}', 2, "the server loses false in a list of the JSON form; write HCL"),
        ('{"a": [\nnull]}', 2, "the server loses null in a list of the JSON form; write HCL"),
        ('{"a": {\n', 1, "the block of 'a' is not closed by '}'"),
        ('{"a": [{', 1, "the block of '{' is not closed by '}'"),
        ('{"a": [\n[]]}', 2, "the server loses [ in a list of the JSON form; write HCL"),
        ('{"a": [1 2]}', 1, "expected ',' or ']' in a list, found '2'"),
        ('{"a": [1\n', 2, "expected ',' or ']' in a list, the file ends"),
        ('{"a": [\n', 1, "the list is not closed by ']'"),
        (r'{"a": "\ud83d\ude00"}', 1, "the string has an invalid escape"),
        ('{"a": "b\nc"}', 1, "the string is not closed by '\"' on its line"),
    ],
)
def test_parse_fault_is_reported_with_its_line(text: str, line: int, what: str) -> None:
    # Faults that are a file of tests/faults/hcl are not here.
    with pytest.raises(HclError) as caught:
        parse(text, "x.hcl")
    assert str(caught.value).startswith(f"x.hcl:{line}: ")
    assert what in str(caught.value)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{ a = ", " }")])
def test_parse_limits_nesting(opening: str, closing: str) -> None:
    def nested(levels: int) -> str:
        return f"\na = {opening * levels}1{closing * levels}"

    parse(nested(MAX_DEPTH), "x.hcl")
    # Closed blocks do not count.
    parse(nested(MAX_DEPTH) * 3, "x.hcl")
    with pytest.raises(HclError, match=f"x.hcl:2: nested more than {MAX_DEPTH} deep"):
        parse(nested(MAX_DEPTH + 1), "x.hcl")


def test_parse_fault_quotes_at_most_40_characters() -> None:
    with pytest.raises(HclError) as caught:
        parse(f"a = {'w' * 100}", "x.hcl")
    assert "w" * 40 in str(caught.value)
    assert "w" * 41 not in str(caught.value)
