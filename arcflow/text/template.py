"""PromptTemplate: the words of a prompt, in a Jinja file with named blocks."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from arcflow.core.errors import ConfigError
from arcflow.text.kinds.base import TaskKind

_FOLDER = Path(__file__).parent / "templates"

FIRST_PLACEHOLDER = 0xE000
"""Placeholders are single characters of Unicode's private area, one for each value."""

_MAX_PLACEHOLDERS = 0xF8FF - FIRST_PLACEHOLDER


def placeholder(place: int) -> str:
    """The character that stands for the value at ``place`` while a template is rendered."""
    return chr(FIRST_PLACEHOLDER + place)


def place_of(character: str) -> int | None:
    """The inverse of `placeholder`; None for ordinary text."""
    place = ord(character) - FIRST_PLACEHOLDER
    return place if 0 <= place <= _MAX_PLACEHOLDERS else None


class PromptTemplate:
    """A template: blocks ``prompt`` (needed), ``system`` and ``answer`` (as wanted).

    Args:
        name: a shipped template's name, e.g. ``"chat-v1"``, or the path of a file.
        kind: whose own words a shipped name or a name of its ``templates`` stands for; None
            takes the shipped file of the kinds with grids alone.

    Attributes:
        name: as given.
        kind: as given.
        path: the file; for a template that a kind brings, a name of it for messages.
        hash: SHA-256 of the file's text; two templates of one hash write the same prompts.

    Raises:
        ConfigError: no such file, or Jinja refuses it; with file and line.
    """

    def __init__(self, name: str, kind: TaskKind[Any] | None = None) -> None:
        self.name, self.kind = name, kind
        own = _own_text(name, kind)
        if own is not None:
            self.path = Path(f"{name} of the kind {kind.name if kind else ''}")
            self.source = own
        else:
            self.path = _find(name, kind.family if kind else "")
            self.source = _read(self.path, name)
        self.hash = hashlib.sha256(self.source.encode()).hexdigest()
        self._check_characters()
        environment = ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        try:
            code = environment.compile(self.source, name=name, filename=str(self.path))
            self._template = jinja2.Template.from_code(environment, code, {})
        except jinja2.TemplateSyntaxError as error:
            raise self._error(error, error.lineno) from error
        if "prompt" not in self._template.blocks:
            raise ConfigError(
                f"template {self.path}: no prompt",
                value=sorted(self._template.blocks),
                expected="a block named 'prompt'; 'system' and 'answer' as wanted",
                next_step="Write {% block prompt %}...{% endblock %} around the prompt's text.",
            )

    def __reduce__(self) -> tuple[type["PromptTemplate"], tuple[str, TaskKind[Any] | None]]:
        return PromptTemplate, (self.name, self.kind)

    def render(self, block: str, variables: Mapping[str, object], default: str = "") -> str:
        """The text of one block.

        Args:
            block: "system", "prompt" or "answer".
            variables: what the template may name; anything else is an error.
            default: the text where the template has no such block.

        Raises:
            ConfigError: an undefined variable or a failing expression, with file and line.
        """
        if block not in self._template.blocks:
            return default
        context = self._template.new_context(dict(variables))
        try:
            return "".join(self._template.blocks[block](context))
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise self._error(error, self._line(error.__traceback__)) from error

    def require(self, block: str, text: str, needed: Mapping[str, str]) -> None:
        """Refuse a block's text that lacks a placeholder.

        Args:
            block: the block that was rendered.
            text: its text.
            needed: placeholder to the variable it stands for.

        Raises:
            ConfigError: naming the variable, with file and line.
        """
        for character, variable in needed.items():
            if character not in text:
                line = self._block_line(block)
                raise ConfigError(
                    f"template {self.path}, line {line}: the {block} does not show {variable}",
                    value=self.name,
                    expected=f"{{{{ {variable} }}}} inside the block {block!r}",
                    next_step=f"Write {{{{ {variable} }}}} where it belongs.",
                )

    def _block_line(self, block: str) -> int:
        lines = self.source.splitlines()
        return next((i for i, text in enumerate(lines, 1) if "block " + block in text), 1)

    def _check_characters(self) -> None:
        for number, line in enumerate(self.source.splitlines(), start=1):
            bad = [c for c in line if place_of(c) is not None]
            if bad:
                raise ConfigError(
                    f"template {self.path}, line {number}: a reserved character",
                    value=f"U+{ord(bad[0]):04X}",
                    expected="text outside Unicode's private area, where placeholders live",
                    next_step="Remove the character.",
                )

    def _line(self, traceback: TracebackType | None) -> int:
        line = 1
        while traceback is not None:
            if traceback.tb_frame.f_code.co_filename == str(self.path):
                line = self._template.get_corresponding_lineno(traceback.tb_lineno)
            traceback = traceback.tb_next
        return line

    def _error(self, error: Exception, line: int) -> ConfigError:
        return ConfigError(
            f"template {self.path}, line {line}: {error}",
            value=self.source.splitlines()[line - 1].strip() if self.source else "",
            expected=(
                "a Jinja template over bos, kind, mark, symbols (primitives too for programs) and,"
                " in the prompt, what the kind shows, e.g. examples and test; in the answer, output"
            ),
            next_step="Correct that line.",
        )


def _own_text(name: str, kind: TaskKind[Any] | None) -> str | None:
    """Return the template that a kind brings for a version; None where a file is meant."""
    if kind is None or name not in {*_shipped(""), *kind.templates.values()}:
        return None
    return kind.template_text(name)


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"template {path} cannot be read ({error})",
            value=name,
            expected="a text file in UTF-8",
            next_step="Check the file and its permissions.",
        ) from error


def _shipped(family: str) -> list[str]:
    """Return the names of the shipped versions that a family of kinds has."""
    # Family names begin with a dot.
    return sorted({p.name.split(".")[0] for p in _FOLDER.glob(f"*{family}.jinja")})


def _find(name: str, family: str) -> Path:
    shipped = _FOLDER / f"{name}{family}.jinja"
    if "/" not in name and "\\" not in name and shipped.is_file():
        return shipped
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise ConfigError(
        "template not found",
        value=name,
        expected=f"a shipped template ({', '.join(_shipped(family))}) or the path of a file",
        next_step="Check the spelling or the path.",
    )
