"""Compiler from a service author's Jinja2 template to the agent's template language.

    url: {{ secret("redis-url") }}

becomes

    url: {{ with secret "secret/data/store/dev/redis-url" }}{{ .Data.data.value | … }}{{ end }}

with the functions that quote the value for the file's format. The template is compiled and never
rendered here, so no secret is read or needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from urllib.parse import quote

from agent.compiler import formats, parser
from agent.compiler.errors import TemplateRejected
from agent.compiler.formats import Format, Scalar
from agent.compiler.output_check import check
from agent.compiler.parser import Piece, Slot, Text
from agent.compiler.template_context import (
    SecretValue,
    TemplateContext,
    Url,
    Value,
    needs_of,
    secrets_of,
)
from app_integration.config import versions_line
from app_integration.names import (
    PASSWORD_PLACEHOLDER,
    TEMPLATE_KEY,
    USERNAME_PLACEHOLDER,
    VALUE_KEY,
    Scope,
)
from app_integration.permissions import Need
from vault.declare.declaration import Declaration
from vault.declare.load import display_path
from vault.declare.schema.model import Config

#: Control characters other than tab and line ends. No format allows them unescaped.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]")
#: Braces that the agent would read as the start of an action. A single brace before an action needs
#: no escape, because the action would be a key or part of a longer value, and the check rejects
#: both.
_BRACES = re.compile(r"\{{2,}")
_VALUE = f".Data.data.{VALUE_KEY}"
_ENCODE = 'urlquery | replaceAll "+" "%20"'
_PLACEHOLDER_LENGTH = 48  # characters; longer than a model requires of a signing key


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """Compiled template.

    *text* is in the agent's template language, and *preview* has a placeholder for each secret.
    *versions* is the line that renders to the versions of its KV secrets; empty if it has none.
    """

    text: str
    needs: tuple[Need, ...]
    format: Format
    preview: str
    versions: str = ""
    pieces: tuple[Piece, ...] = ()

    @property
    def file_text(self) -> str:
        """Return the content of the agent's template file."""
        return self.versions + self.text


def compile_file(path: Path, context: TemplateContext) -> CompiledTemplate:
    """Compile the template at *path*. See :func:`compile_text`."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        message = f"cannot be read: {reason}; save it as a readable file in UTF-8"
        raise TemplateRejected(str(path), 0, message) from None
    return compile_text(source, str(path), context)


def compile_text(source: str, file_name: str, context: TemplateContext) -> CompiledTemplate:
    """Compile the template *source*."""
    file_format = format_of(file_name)
    _check_characters(source, file_name)
    pieces = _with_final_newline(parser.read(source, file_name, context))
    check(pieces, file_format, file_name)
    values = [piece.value for piece in pieces if isinstance(piece, Slot)]
    return CompiledTemplate(
        text="".join(_compile_piece(piece, file_format) for piece in _join_texts(pieces)),
        needs=needs_of(values),
        format=file_format,
        preview="".join(_preview_piece(piece, file_format) for piece in pieces),
        versions=_versions_line(values, context.scope),
        pieces=tuple(pieces),
    )


def format_of(name: str) -> Format:
    """Return the format of a template by its file name: ``app.yaml.j2`` is YAML."""
    rendered = PurePath(name).name.removesuffix(".j2")
    # The letter is added, because pathlib sees no suffix in a file named ".env".
    found = formats.BY_SUFFIX.get(PurePath(f"x{rendered}").suffix)
    if found is None:
        known = ", ".join(f"{suffix}.j2" for suffix in formats.BY_SUFFIX)
        raise TemplateRejected(name, 0, f"the name has no known format; end it in one of {known}")
    return found


def _check_characters(source: str, origin: str) -> None:
    if found := _CONTROL.search(source):
        line = source.count("\n", 0, found.start()) + 1
        raise TemplateRejected(origin, line, f"remove the control character {found[0]!r}")


def _with_final_newline(pieces: Sequence[Piece]) -> list[Piece]:
    """Return *pieces* with a line end at the end.

    A reader rejects a file without one, because it looks truncated.
    """
    last = pieces[-1] if pieces else Text(1, "")
    is_complete = isinstance(last, Text) and last.text.endswith("\n")
    return [*pieces] if is_complete else [*pieces, Text(last.line, "\n")]


def _join_texts(pieces: Sequence[Piece]) -> list[Piece]:
    """Return *pieces* with adjacent texts joined, so that adjacent braces are escaped together."""
    merged: list[Piece] = []
    for piece in pieces:
        before = merged[-1] if merged else None
        if isinstance(piece, Text) and isinstance(before, Text):
            merged[-1] = Text(before.line, before.text + piece.text)
        else:
            merged.append(piece)
    return merged


def _compile_piece(piece: Piece, file_format: Format) -> str:
    if isinstance(piece, Text):
        return _escape_braces(piece.text)
    if isinstance(piece.value, SecretValue | Url):
        return _action(piece.value, file_format)
    return _escape_braces(file_format.literal(piece.value))


def _versions_line(values: Iterable[Value], scope: Scope) -> str:
    """Return the line of versions, which reads only what the template reads anyway.

    The version of an adopted secret says nothing about its database user, so that it has none.
    """
    found = {each.name: each for value in values for each in secrets_of(value) if not each.user}
    versions = {
        scope.secret(name): f"{{{{ with secret {_quoted(each.need.path)} }}}}"
        "{{ .Data.metadata.version }}{{ end }}"
        for name, each in sorted(found.items())
    }
    return versions_line.compose(versions) if versions else ""


def _preview_piece(piece: Piece, file_format: Format) -> str:
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


def _escape_braces(text: str) -> str:
    return _BRACES.sub(lambda braces: f'{{{{ "{braces[0]}" }}}}', text)


def _action(value: SecretValue | Url, file_format: Format) -> str:
    """Return the agent's action that writes *value*, inside a ``with`` for each path it reads."""
    if isinstance(value, SecretValue) and value.user is None:
        path = _quoted(value.need.path)
        return f"{{{{ with secret {path} }}}}{{{{ {_VALUE} | {file_format.chain} }}}}{{{{ end }}}}"
    secrets = secrets_of(value)
    opening = "".join(_open_with(index, secret) for index, secret in enumerate(secrets))
    closing = "{{ end }}" * sum(len(secret.needs) for secret in secrets)
    expression = _url_expression(value) if isinstance(value, Url) else _value_expression(0, value)
    return f"{opening}{{{{ {expression} | {file_format.chain} }}}}{closing}"


def _open_with(index: int, secret: SecretValue) -> str:
    names = (f"$s{index}", f"$u{index}")
    return "".join(
        f"{{{{ with {name} := secret {_quoted(need.path)} }}}}"
        for name, need in zip(names, secret.needs, strict=False)
    )


def _value_expression(index: int, secret: SecretValue) -> str:
    """Return the agent's expression for the value of *secret*.

    For an adopted secret, it inserts username and password into the stored template.
    """
    if secret.user is None:
        return f"$s{index}{_VALUE}"
    return (
        f"$s{index}.Data.data.{TEMPLATE_KEY}"
        f' | replaceAll "{USERNAME_PLACEHOLDER}" ($u{index}.Data.username | {_ENCODE})'
        f' | replaceAll "{PASSWORD_PLACEHOLDER}" ($u{index}.Data.password | {_ENCODE})'
    )


def _url_expression(url: Url) -> str:
    pattern = "".join(
        part.replace("%", "%%") if isinstance(part, str) else "%s" for part in url.parts
    )
    secrets = enumerate(secrets_of(url))
    fields = (f"({_value_expression(index, secret)} | {_ENCODE})" for index, secret in secrets)
    return f"printf {_quoted(pattern)} {' '.join(fields)}"


def _quoted(text: str) -> str:
    """Return *text* as a string literal of the agent's language, which reads JSON's escapes."""
    return json.dumps(text, ensure_ascii=False)


def compile_declared(declaration: Declaration, scope: Scope, config: Config) -> CompiledTemplate:
    """Compile the template of *config*, which the service of *scope* declares."""
    return compile_file(
        Path(display_path(declaration.template_root / scope.service / config.template)),
        TemplateContext(
            scope=scope,
            secrets=declaration.secrets(scope),
            settings=declaration.settings(scope),
            adopted=declaration.adopted(scope),
            mounts=declaration.environment(scope.environment).mounts,
        ),
    )
