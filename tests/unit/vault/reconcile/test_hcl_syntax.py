"""HCL syntax: the value of each notation, and the line of each fault."""

from __future__ import annotations

from typing import Any

import pytest

from vault.reconcile.hcl.syntax import MAX_DEPTH, Block, HclError, Node, parse


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
        (r'"\n\t\"\\\/"', '\n\t"\\/'),
        (r'"\a\b\f\r\v"', "\a\b\f\r\v"),
        (r'"\x41\u00e9\U0001F600"', "Aé😀"),
        (r'"\101"', "A"),
        ('"$ and ${a.b}"', "$ and ${a.b}"),
        ('"é 日本"', "é 日本"),
    ],
    ids=["common", "control", "by number", "octal", "interpolation", "none"],
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
        ("<<-END\none\nEND\n", "one\n"),
        ("<<END\n  one\n  END\n", "  one\n"),
        ("<<END\r\none\r\nEND\r\n", "one\r\n"),
    ],
)
def test_parse_heredoc_returns_its_lines(text: str, value: str) -> None:
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
        ("a = [1 2]", 1, "found '2'"),
        ('a "b" = 1', 1, "a block with two names has no '='; remove it"),
        ("a {\n", 1, "'a' is not closed"),
        ("a = { b = 1", 1, "is not closed"),
        ("a = 1\n}", 2, "expected a name, found '}'"),
        ("{} x", 1, "expected the end of the file, found 'x'"),
        ("a = 1\nb = 'c'", 2, 'unexpected character "\'"'),
        ('a = 1\nb = "c', 2, "the string is not closed by '\"' on its line"),
        ("a = 1\n/* b", 2, "the comment is not closed by '*/'"),
        ("a = <<END\nx\n", 1, "the heredoc is not closed by its end line"),
        ("a = word", 1, "found 'word'"),
        (r'a = "\q"', 1, "the string has an invalid escape"),
    ],
)
def test_parse_fault_is_reported_with_its_line(text: str, line: int, what: str) -> None:
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
