"""Skeleton of a compiled template, from which the SDK renders the file where there is no agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from agent.compiler.errors import TemplateRejected
from agent.compiler.formats import Format
from agent.compiler.parser import Piece, Slot, Text
from agent.compiler.template_compiler import CompiledTemplate
from agent.compiler.template_context import SecretValue, Url, secrets_of
from app_integration.names import Scope
from app_integration.rendering import skeleton
from app_integration.rendering.skeleton import Reference, Skeleton


def build_skeleton(compiled: CompiledTemplate, scope: Scope, template: str, file: str) -> Skeleton:
    """Return the skeleton of *compiled*."""
    pieces = list(_convert(compiled.pieces, compiled.format, template))
    return Skeleton(scope, template, file, tuple(_join_texts(pieces)))


def _convert(
    pieces: Sequence[Piece], file_format: Format, template: str
) -> Iterator[str | skeleton.Slot]:
    for piece in pieces:
        if isinstance(piece, Text):
            yield piece.text
        elif isinstance(piece.value, SecretValue | Url):
            yield _convert_slot(piece, template)
        else:
            yield file_format.literal(piece.value)


def _convert_slot(slot: Slot, template: str) -> skeleton.Slot:
    for secret in secrets_of(slot.value):
        if secret.user is not None:
            raise TemplateRejected(
                template,
                slot.line,
                f"secret {secret.name!r} has a database user that Vault rotates, which only an "
                "agent delivers in time; deliver this file by an agent, or leave the secret out "
                "and call database_engine()",
            )
    parts = slot.value.parts if isinstance(slot.value, Url) else secrets_of(slot.value)
    converted = (part if isinstance(part, str) else Reference(part.name) for part in parts)
    return skeleton.Slot(slot.line, tuple(converted), is_url=isinstance(slot.value, Url))


def _join_texts(pieces: Sequence[str | skeleton.Slot]) -> Iterator[str | skeleton.Slot]:
    """Yield *pieces* with adjacent texts joined."""
    for is_text, group in groupby(pieces, lambda piece: isinstance(piece, str)):
        if is_text:
            yield "".join(map(str, group))
        else:
            yield from group
