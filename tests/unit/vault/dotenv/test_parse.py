from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from app_integration._internal.secret_value import MAX_VALUE_LENGTH
from app_integration.errors import ConfigurationError
from vault.dotenv.parse import DotenvFile, InvalidDotenv, parse, read
from vault.dotenv.text import assignment, remove_secrets

PATH = Path(".env")
#: Characters that are hard to parse: quotes, escapes, references, comments, line breaks.
HOSTILE = st.text(
    st.one_of(
        st.sampled_from(list("\\\"'`$#={}:- \t\n\r\x0b\x0c\x1c\x85\u2028\ufeffnrabe")),
        st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    )
)
NAMES = st.from_regex(r"[A-Z][A-Z0-9]{0,3}(_[A-Z0-9]{1,3}){0,2}", fullmatch=True)


def parsed(text: str) -> DotenvFile:
    return parse(PATH, text.encode())


def values(file: DotenvFile) -> dict[str, str]:
    return {name: variable.value.reveal() for name, variable in file.variables.items()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=one", {"A": "one"}),
        ("export A=one\n", {"A": "one"}),
        ("A = one # comment\nB=two#part\n", {"A": "one", "B": "two#part"}),
        ("A='it\\'s' # comment\n", {"A": "it's"}),
        ('A="one\\ntwo\\\\"\n', {"A": "one\ntwo\\"}),
        ('A="one\n two\n"\nB=3\n', {"A": "one\n two\n", "B": "3"}),
        ('A="one\r\ntwo"\r\nB=3\r\n', {"A": "one\ntwo", "B": "3"}),
        ("A=\nB=''\nC= # nothing\n", {"A": "", "B": "", "C": ""}),
        ("\ufeffA=one\n", {"A": "one"}),
        ("'A'=one\n", {"A": "one"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=1\nB=${A}2\nA=3\nC='${B}${A}'\n", {"A": "3", "B": "12", "C": "123"}),
        ("A=pa$$word${open\n", {"A": "pa$$word${open"}),
        ("\n# only a comment\n", {}),
        ("", {}),
    ],
)
def test_parse_returns_the_values_that_the_application_reads(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[str, str]
) -> None:
    monkeypatch.delenv("A", raising=False)
    assert values(parsed(text)) == expected
    assert dotenv_values(stream=StringIO(text, newline=None)) == expected


@given(st.text(st.sampled_from(list("AB=\"'\\$#{}:- \t\n\r1")), max_size=40))
def test_accepted_text_has_the_values_of_python_dotenv(text: str) -> None:
    try:
        file = parsed(text)
    except InvalidDotenv:
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in ("A", "B", "AB", "BA"):
            patch.delenv(name, raising=False)
        assert values(file) == dotenv_values(stream=StringIO(text, newline=None))


def test_repeated_variable_has_all_its_lines() -> None:
    variable = parsed("A=1\n\n# again\nexport A=2\n").variables["A"]
    assert variable.lines == (1, 4)
    assert variable.line == 4


def test_uses_contains_indirect_references() -> None:
    variables = parsed("A=1\nB=${A}\nC=x${B}\nD=1\n").variables
    assert variables["C"].uses == {"A", "B"}
    assert variables["D"].uses == frozenset()


def test_reference_to_the_process_environment_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTSIDE", "outer")
    monkeypatch.setenv("A", "outer")
    assert values(parsed("A=file\nB=${A}\n"))["B"] == "file"
    with pytest.raises(InvalidDotenv, match="process environment"):
        parsed("B=${OUTSIDE}\n")


def test_value_over_the_limit_is_rejected_with_its_line() -> None:
    with pytest.raises(InvalidDotenv) as caught:
        parsed(f"A=1\nBIG={'x' * (MAX_VALUE_LENGTH + 1)}\n")
    assert str(caught.value) == f".env:2: the value of BIG has {524289} bytes; use at most {524288}"


def test_references_that_expand_past_the_limit_are_rejected() -> None:
    lines = ["A0=" + "x" * 1024, *(f"A{n}=${{A{n - 1}}}${{A{n - 1}}}" for n in range(1, 12))]
    with pytest.raises(InvalidDotenv, match="the value of A10 has"):
        parsed("\n".join(lines))


def test_repr_of_file_and_variable_has_no_value() -> None:
    assert "hunter2" not in repr(parsed("A=hunter2\n"))


def test_link_is_rejected_with_its_target(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("A=1\n")
    (tmp_path / ".env").symlink_to("shared")
    with pytest.raises(ConfigurationError, match=str(tmp_path / "shared")):
        read(tmp_path / ".env")


@pytest.mark.parametrize("name", ["absent", "folder"])
def test_path_that_is_not_a_file_is_rejected(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConfigurationError, match="is not a file"):
        read(tmp_path / name)


@given(st.dictionaries(NAMES, HOSTILE, max_size=5))
def test_assignment_reads_back_byte_for_byte(content: dict[str, str]) -> None:
    text = "".join(assignment(name, value) for name, value in content.items())
    assert text.count("\n") == len(content)
    assert dotenv_values(stream=StringIO(text, newline=None)) == content
    assert values(parsed(text)) == content


@pytest.mark.parametrize("value", ["${HOME}", "$${A}", "a${", "${A:-b}", "${:-$}{A}", "\\${A}\\"])
def test_literal_reference_is_not_expanded(value: str) -> None:
    text = assignment("A", "x") + assignment("B", value)
    assert dotenv_values(stream=StringIO(text))["B"] == value


@given(
    content=st.lists(st.tuples(NAMES, HOSTILE), max_size=6),
    dropped=st.sets(st.integers(0, 5)),
    comment=st.sampled_from(["", "# a comment\n", "\n\n", "  # indented\n"]),
    line_break=st.sampled_from(["\n", "\r\n"]),
)
def test_remove_secrets_keeps_all_other_values(
    content: list[tuple[str, str]], dropped: set[int], comment: str, line_break: str
) -> None:
    text = "".join(comment + assignment(name, value) for name, value in content)
    file = parsed(text.replace("\n", line_break))
    secrets = {name for index, (name, _) in enumerate(content) if index in dropped}
    left = values(parsed(remove_secrets(file, secrets)))
    assert left == {name: value for name, value in values(file).items() if name not in secrets}


def test_remove_secrets_keeps_comments_and_order() -> None:
    file = parsed(
        "# Mail\n"
        "SMTP_HOST = mail.example.com  # ours\n"
        "SMTP_PASSWORD=hunter22 # not for long\n"
        "\n"
        "# Logs\n"
        "export LOG_LEVEL='info'\n"
    )
    assert remove_secrets(file, ["SMTP_PASSWORD"]) == (
        "# Mail\nSMTP_HOST = mail.example.com  # ours\n\n# Logs\nexport LOG_LEVEL='info'\n"
    )


@pytest.mark.parametrize(
    "comment",
    ["# OLD_PASSWORD=hunter1", "#API_TOKEN='x'", "# was hunter22 before", "# see ?token=abcdef"],
)
def test_remove_secrets_removes_comments_that_may_contain_one(comment: str) -> None:
    file = parsed(f"# plain\nPORT=80\n{comment}\nSMTP_PASSWORD=hunter22\n")
    assert remove_secrets(file, ["SMTP_PASSWORD"]) == "# plain\nPORT=80\n"
