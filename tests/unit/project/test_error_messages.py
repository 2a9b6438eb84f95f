"""Hold the form of error messages: what failed, where and why, and then what to do.

Each error of the product is read where it is made. Its message is a text, an f-string, texts that
are joined or chosen between, or a name that the same function or module assigns. What another
function returns is not followed: neither a whole message, nor a placeholder that says what to do,
whose name is in ``BUILT_ELSEWHERE``. A :class:`FieldError` says ``(expected …)`` by its type.
"""

from __future__ import annotations

import re
from typing import Final

from tests.support.error_messages import messages
from tests.support.packages import PRODUCT

#: Verbs that begin an instruction, and programs that are the instruction itself.
VERBS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        abandon add apply apt archive ask assign attach begin bind bootstrap build call cancel
        change check chmod choose close compare complete connect continue copy correct create
        declare decrypt delete deliver deploy derive do drop edit encrypt end erase export fetch
        find fix forward get give go grant handle have improve increase install issue keep leave
        let list load log look make mark mend migrate move name open pass percent pip plan put
        provide raise read record reduce remove rename repair repeat replace request reserve
        restart restore retire return review revoke rotate run save schedule scrape see select
        send set shorten split start stop store take treat try undelete undo unseal unset upgrade
        use verify wait watch widen write
        """,
    )
)
#: Placeholders whose text says what to do: an error that is passed on, and parts of messages.
BUILT_ELSEWHERE: Final = frozenset(
    {
        "error",
        "refusal",
        "problems",
        "problem",
        "hint",
        "hint_names",
        "fix",
        "REMEDIES",
        "_REMEDIES",
        "_describe",
        "_hint",
        "_replacement",
        "unsupported",
    }
)
#: Messages without an instruction, each with its reason.
EXCEPTIONS: Final = {
    "memory://vault cannot be reached (an injected fault)": "the test itself injected it",
    "memory://vault cut the connection (an injected fault)": "the test itself injected it",
    "{name} is unchanged": "the operator declined, so that nothing is left to do",
    "{way} cannot be filled with a secret: {reason}": "each reason ends with what to do",
    "nothing was written:\n{text}": "each line of the declaration's errors says what to do",
    "{what}: {shown}; {remedy}": "each caller's remedy says what to do",
    "interrupted; {state}": "each state ends with what to do",
    **dict.fromkeys(
        (
            "it has bytes after its end",
            "it is not compressed by zstandard, or was altered",
            "it ends too early, or has bytes after its end",
            "it is no file of a segment, or its header was altered",
        ),
        "the command, which knows the archive, adds what to do",
    ),
    **dict.fromkeys(
        (
            "a name is not that of an environment variable",
            "a name looks like part of a key",
            "a name begins with a digit",
        ),
        "find_secret_name answers None; each other caller passes names that it checked",
    ),
    **dict.fromkeys(
        (
            "the response is not that of Alertmanager's API",
            "the response has the status {response.status_code}",
            "the response has more than {MAX_RESPONSE} bytes",
            "the response was not complete in time",
        ),
        "a reason, to which the caller adds the address and what to check there",
    ),
}
#: What an instruction may begin with before its verb.
_LEAD: Final = re.compile(
    r"(?:or|and|then|else|otherwise|first|so|nothing was \w+;|to \w+[^,]*,|if [^,]*,|on [^,]*,"
    r"|in [^,]*,|as an operator,)\s+|\{[^{}]*\}",
    re.IGNORECASE,
)
_CLAUSE_END: Final = re.compile(r"[;:.?]\s|,\s(?=or |and |then )|,\s|\s\(|\n")
_EXPECTED: Final = re.compile(r"(?<![a-z])expected ")
_STARTS: Final = re.compile(r"[a-z{'\"-]|[A-Z][A-Za-z]*[A-Z_]|(?:PostgreSQL|Prometheus|Redis)\b")


def _is_instruction(clause: str) -> bool:
    """Return whether *clause* begins with a verb that says what to do."""
    while lead := _LEAD.match(clause):
        clause = clause[lead.end() :]
    return re.split(r"\W", clause, maxsplit=1)[0].lower() in VERBS


def _is_passed_on(text: str) -> bool:
    """Return whether a placeholder of *text* holds an instruction."""
    fields = re.findall(r"\{([^{}]*)\}", text)
    return any(
        BUILT_ELSEWHERE.intersection(re.findall(r"\w+", field))
        for field in fields
        if not re.search(r"strerror|__name__|errno", field)
    )


def says_what_to_do(text: str) -> bool:
    """Return whether a clause of *text* after its first is an instruction, or what is expected."""
    clauses = _CLAUSE_END.split(text)[1:]
    return bool(_EXPECTED.search(text)) or any(map(_is_instruction, clauses)) or _is_passed_on(text)


def test_messages_say_what_failed_and_what_to_do() -> None:
    found = list(messages(PRODUCT))
    assert len(found) > 800
    assert [each for each in found if not _STARTS.match(each.text)] == []
    lacking = [each for each in found if not says_what_to_do(each.text)]
    assert [each for each in lacking if each.text not in EXCEPTIONS] == []
    assert {*EXCEPTIONS} == {each.text for each in lacking}
    assert len(EXCEPTIONS) < 25
