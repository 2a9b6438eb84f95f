"""Parser of templates: from the text to a list of pieces, each with its line.

A piece is literal text or one value. Every ``{{ … }}`` is rewritten into a call that records its
value, so that no value becomes text here. Nothing in a template can come between a secret and its
place in the file, because :mod:`agent.compiler.grammar` rejects it first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.runtime import Undefined
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

from agent.compiler import grammar
from agent.compiler.errors import HelperError, TemplateRejected
from agent.compiler.template_context import SecretValue, TemplateContext, Url, Value

_RECORD_TEXT = "_record_text"
_RECORD_VALUE = "_record_value"


@dataclass(frozen=True, slots=True)
class Text:
    """Literal text, with the line of the template on which it begins."""

    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One value, with its line of the template."""

    line: int
    value: Value


Piece = Text | Slot


@dataclass(slots=True)
class _Recorder:
    pieces: list[Piece] = field(default_factory=list)

    def text(self, line: int, text: str) -> str:
        self.pieces.append(Text(line, text))
        return ""

    def value(self, line: int, value: object) -> str:
        if isinstance(value, Undefined):
            str(value)  # raises an error that names the undefined variable
        if not isinstance(value, str | int | float | SecretValue | Url):
            kind = type(value).__name__
            raise HelperError(f"the value is a {kind}; use text, a number, true or false")
        if isinstance(value, float) and not math.isfinite(value):
            raise HelperError(f"not every format can write the number {value}; use a finite one")
        self.pieces.append(Slot(line, value))
        return ""


class _RecordOutput(NodeTransformer):
    """Transformer that turns the children of each Output into calls of the recorder."""

    def visit_Output(self, node: nodes.Output) -> nodes.Output:  # noqa: N802 (Jinja2's naming)
        node.nodes = [_record_call(child) for child in node.nodes]
        return node


def _record_call(child: nodes.Expr) -> nodes.Expr:
    helper, value = _RECORD_VALUE, child
    if isinstance(child, nodes.TemplateData):
        helper, value = _RECORD_TEXT, nodes.Const(child.data)
    arguments = [nodes.Const(child.lineno), value]
    call = nodes.Call(nodes.Name(helper, "load"), arguments, [], None, None)
    call.set_lineno(child.lineno)
    return call


def read(source: str, origin: str, context: TemplateContext) -> list[Piece]:
    """Return the pieces of a template."""
    environment = _environment()
    try:
        tree = environment.parse(source, filename=origin)
        grammar.check(tree, origin)
        tree = _RecordOutput().visit(tree).set_environment(environment)
        code = environment.compile(tree, name=origin, filename=origin)
    except TemplateSyntaxError as error:
        message = f"{str(error.message).rstrip('.')}; correct the syntax"
        raise TemplateRejected(origin, error.lineno, message) from None
    recorder = _Recorder()
    helpers = {
        "secret": context.secret,
        "setting": context.setting,
        "url": context.url,
        _RECORD_TEXT: recorder.text,
        _RECORD_VALUE: recorder.value,
    }
    _run(Template.from_code(environment, code, {}), origin, helpers)
    return recorder.pieces


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.globals.clear()
    return environment


def _run(template: Template, origin: str, helpers: dict[str, Any]) -> None:
    try:
        template.render(helpers)
    except Exception as error:  # noqa: BLE001 (a template's expression may raise anything)
        raise TemplateRejected(origin, _template_line(error, origin), str(error)) from None


def _template_line(error: Exception, origin: str) -> int:
    """Return the line of the template in the traceback of *error*, which Jinja2 has rewritten."""
    line, entry = 0, error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code.co_filename == origin:
            line = entry.tb_lineno
        entry = entry.tb_next
    return line
