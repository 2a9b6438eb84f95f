"""From a service author's template to the agent's: compiled, never rendered.

    url: {{ secret("redis-url") }}

becomes

    url: {{ with secret "secret/data/store/dev/redis-url" }}{{ .Data.data.value | … }}{{ end }}

with the chain that quotes for the file's format. No secret is read or needed for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote

from agent.compiler import formats, parser
from agent.compiler.formats import Format, Scalar
from agent.compiler.output_check import check
from agent.compiler.parser import Piece, Slot, Text
from agent.compiler.template_context import Declared, SecretValue, Url, Value, needs_of, secrets_of
from agent.errors import TemplateRejected
from app_integration.names import TEMPLATE_KEY, VALUE_KEY, Scope
from app_integration.permissions import Need
from app_integration.sources.adopted_secret import PASSWORD, USERNAME

#: Control characters besides tab and line ends: no format allows them as they are.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
#: What the agent would take for the start of an action. A single brace before an action needs no
#: care: the action would be a key, or part of a longer value, and the check refuses both.
_BRACES = re.compile(r"\{{2,}")
_VALUE = f".Data.data.{VALUE_KEY}"
_ENCODE = 'urlquery | replaceAll "+" "%20"'
_PLACEHOLDER_LENGTH = 48  # characters: longer than a model asks of a signing key


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template in the agent's language.

    Attributes:
        text: the agent's template.
        needs: what the agent must be allowed to read, sorted.
        format: the format of the file it becomes.
        preview: that file with a placeholder for each secret.

    """

    text: str
    needs: tuple[Need, ...]
    format: Format
    preview: str


def compile_file(
    path: Path,
    *,
    scope: Scope,
    secrets: Iterable[str],
    settings: Mapping[str, Scalar],
    adopted: Iterable[str] = (),
) -> Compiled:
    """Compile the template at *path*; its name, less ``.j2``, tells the format.

    Raises:
        TemplateRejected: as :func:`compile_text`, or the file can't be read.

    """
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "isn't UTF-8"
        raise TemplateRejected(str(path), 0, f"can't be read: {reason}") from None
    return compile_text(
        source, str(path), scope=scope, secrets=secrets, settings=settings, adopted=adopted
    )


def compile_text(
    source: str,
    origin: str,
    *,
    scope: Scope,
    secrets: Iterable[str],
    settings: Mapping[str, Scalar],
    adopted: Iterable[str] = (),
) -> Compiled:
    """Compile the template *source*.

    Args:
        source: the template.
        origin: the file's name, for the format and for errors.
        scope: whose secrets they are.
        secrets: names of the declared secrets.
        settings: plain values, by name.
        adopted: names of those secrets that are composed with a static database user.

    Raises:
        TemplateRejected: with the file, the line, what is wrong and what to do.

    """
    file_format = format_of(origin)
    _check_characters(source, origin)
    declared = Declared(scope, frozenset(secrets), settings, frozenset(adopted))
    pieces = _ended(parser.read(source, origin, declared))
    check(pieces, file_format, origin)
    values = [piece.value for piece in pieces if isinstance(piece, Slot)]
    return Compiled(
        text="".join(_compiled(piece, file_format) for piece in _merged(pieces)),
        needs=needs_of(values),
        format=file_format,
        preview="".join(_previewed(piece, file_format) for piece in pieces),
    )


def format_of(name: str) -> Format:
    """The format that a template's file name tells: ``app.yaml.j2`` is YAML.

    Raises:
        TemplateRejected: it tells none.

    """
    rendered = PurePath(name).name.removesuffix(".j2")
    # With a letter before it: a file called ".env" has no suffix of its own.
    found = formats.BY_SUFFIX.get(PurePath(f"x{rendered}").suffix)
    if found is None:
        known = ", ".join(f"{suffix}.j2" for suffix in formats.BY_SUFFIX)
        raise TemplateRejected(name, 0, f"the name tells no format; it ends in one of {known}")
    return found


def _check_characters(source: str, origin: str) -> None:
    if found := _CONTROL.search(source):
        line = source.count("\n", 0, found.start()) + 1
        raise TemplateRejected(origin, line, f"remove the control character {found[0]!r}")


def _ended(pieces: Sequence[Piece]) -> list[Piece]:
    """*pieces* with a line end at the end: without one, a reader takes a file for cut short."""
    last = pieces[-1] if pieces else Text(1, "")
    whole = isinstance(last, Text) and last.text.endswith("\n")
    return [*pieces] if whole else [*pieces, Text(last.line, "\n")]


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    """*pieces* with neighbouring texts joined, so that braces side by side are seen."""
    merged: list[Piece] = []
    for piece in pieces:
        before = merged[-1] if merged else None
        if isinstance(piece, Text) and isinstance(before, Text):
            merged[-1] = Text(before.line, before.text + piece.text)
        else:
            merged.append(piece)
    return merged


def _compiled(piece: Piece, file_format: Format) -> str:
    if isinstance(piece, Text):
        return _escaped(piece.text)
    if isinstance(piece.value, SecretValue | Url):
        return _action(piece.value, file_format)
    return _escaped(file_format.literal(piece.value))


def _previewed(piece: Piece, file_format: Format) -> str:
    if isinstance(piece, Text):
        return piece.text
    return file_format.literal(_placeholder(piece.value))


def _placeholder(value: Value) -> Scalar:
    if isinstance(value, SecretValue):
        return f"placeholder-for-{value.name}".ljust(_PLACEHOLDER_LENGTH, "-")
    if isinstance(value, Url):
        return "".join(
            part if isinstance(part, str) else quote(str(_placeholder(part)), safe="")
            for part in value.parts
        )
    return value


def _escaped(text: str) -> str:
    return _BRACES.sub(lambda braces: f'{{{{ "{braces[0]}" }}}}', text)


def _action(value: SecretValue | Url, file_format: Format) -> str:
    """The agent's action that writes *value*: ``with`` the secrets, their use."""
    if isinstance(value, SecretValue) and value.user is None:
        path = _string(value.need.path)
        return f"{{{{ with secret {path} }}}}{{{{ {_VALUE} | {file_format.chain} }}}}{{{{ end }}}}"
    secrets = secrets_of(value)
    opened = "".join(_opened(index, secret) for index, secret in enumerate(secrets))
    closed = "{{ end }}" * sum(len(secret.needs) for secret in secrets)
    used = _composed(value) if isinstance(value, Url) else _plain(0, value)
    return f"{opened}{{{{ {used} | {file_format.chain} }}}}{closed}"


def _opened(index: int, secret: SecretValue) -> str:
    names = (f"$s{index}", f"$u{index}")
    return "".join(
        f"{{{{ with {name} := secret {_string(need.path)} }}}}"
        for name, need in zip(names, secret.needs, strict=False)
    )


def _plain(index: int, secret: SecretValue) -> str:
    """The value of *secret*; of an adopted one, its template with user and password put in."""
    if secret.user is None:
        return f"$s{index}{_VALUE}"
    return (
        f"$s{index}.Data.data.{TEMPLATE_KEY}"
        f' | replaceAll "{USERNAME}" ($u{index}.Data.username | {_ENCODE})'
        f' | replaceAll "{PASSWORD}" ($u{index}.Data.password | {_ENCODE})'
    )


def _composed(url: Url) -> str:
    pattern = "".join(
        part.replace("%", "%%") if isinstance(part, str) else "%s" for part in url.parts
    )
    secrets = enumerate(secrets_of(url))
    fields = (f"({_plain(index, secret)} | {_ENCODE})" for index, secret in secrets)
    return f"printf {_string(pattern)} {' '.join(fields)}"


def _string(text: str) -> str:
    """*text* as a string of the agent's language, which reads JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)
