"""What one secret holds: a text, or the fields of a KV entry without a text.

Secrets Manager stores one text. The SDK reads a field of it if it is a JSON object, so the fields
of a KV entry are copied as one. A tag tells it from a text that happens to be JSON.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from app_integration.errors import ConfigurationError, SecretError
from app_integration.names import NEXT_KEY, VALUE_KEY
from app_integration.secret import Secret
from app_integration.transport.request import HiddenBody

#: The tag of a secret whose text is the fields of a KV entry, and its value.
CONTENT_TAG: Final = "content"
FIELDS: Final = "fields"


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of a secret, the same on both backends.

    If it *has_fields*, *text* is the JSON object of these with sorted keys.
    """

    text: Secret
    has_fields: bool = False

    def equals(self, other: Entry | None) -> bool:
        """Return whether *other* is the same; the time does not depend on where they differ."""
        if other is None or self.has_fields != other.has_fields:
            return False
        return hmac.compare_digest(_encode(self.text), _encode(other.text))

    def fields(self) -> dict[str, Any]:
        """Return the fields of a KV entry."""
        if not self.has_fields:
            return HiddenBody({VALUE_KEY: self.text.reveal()})
        return HiddenBody(json.loads(self.text.reveal()))

    def check_numbers(self, where: str) -> None:
        """Raise an error if a field has a whole number that Vault would round."""
        if self.has_fields and _has_rounded_number(self.text):
            raise ConfigurationError(
                f"{where} has a number of too many digits, which Vault would round; write it as "
                "text"
            )


def from_fields(where: str, fields: Mapping[str, Any]) -> Entry:
    """Return the entry of a KV secret with *fields*, if Secrets Manager can have the same."""
    fields = {key: each for key, each in fields.items() if key != NEXT_KEY}
    has_text = isinstance(fields.get(VALUE_KEY), str)
    if has_text and len(fields) == 1:
        return Entry(Secret(fields[VALUE_KEY]))
    if has_text:
        raise SecretError(
            f"{where} has other fields beside {VALUE_KEY!r}, and a secret on AWS has one text; "
            "move them to a secret of their own"
        )
    if VALUE_KEY in fields:
        raise SecretError(f"{where} has no text under {VALUE_KEY!r}; write it again")
    if not fields:
        raise SecretError(f"{where} has no fields; write it again")
    return Entry(_render(fields), has_fields=True)


def from_text(text: Secret, *, has_fields: bool) -> Entry:
    """Return the entry of a secret on AWS.

    Its tag says that it *has_fields*, and is written before the value: a text that is no such JSON
    object counts as it is.
    """
    if has_fields:
        try:
            fields = json.loads(text.reveal(), parse_constant=_reject)
            if isinstance(fields, dict) and fields and VALUE_KEY not in fields:
                return Entry(_render(fields), has_fields=True)
        except (ValueError, RecursionError):
            pass
    return Entry(text)


def _encode(text: Secret) -> bytes:
    return text.reveal().encode(errors="surrogatepass")  # because an error would show the text


def _render(fields: Mapping[str, Any]) -> Secret:
    """Return the JSON object of *fields*, equal for equal fields.

    Vault has each number as a double, and returns 1.0 as 1.
    """
    text = json.dumps(fields, allow_nan=False)
    same = json.loads(text, parse_float=_parse_float)
    return Secret(json.dumps(same, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _parse_float(text: str) -> float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _has_rounded_number(text: Secret) -> bool:
    found: list[bool] = []
    json.loads(text.reveal(), parse_int=lambda digits: found.append(_is_rounded(int(digits))))
    return any(found)


def _is_rounded(number: int) -> bool:
    try:
        return int(float(number)) != number
    except OverflowError:
        return True


def _reject(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and the like, which are not JSON
