"""PromptTemplate: the words of a prompt, in a Jinja file with named blocks.

The shipped files are ``templates/VERSION/KIND.jinja``: each kind has its own.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from arcflow.core.errors import ConfigError
from arcflow.text.kinds import OUTPUT_FROM_EXAMPLES, TaskKind

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
        kind: whose words a shipped name stands for; a file of the user's own serves any kind.

    Attributes:
        name: as given.
        kind: as given.
        path: the file; a name for messages where the kind's code brings the text.
        hash: SHA-256 of the file's text; two templates of one hash write the same prompts.

    Raises:
        ConfigError: no such file, or Jinja refuses it; with file and line.
    """

    def __init__(self, name: str, kind: TaskKind[Any] = OUTPUT_FROM_EXAMPLES) -> None:
        self.name, self.kind = name, kind
        own = kind.template_text(name) if name in {*_versions(), *kind.templates.values()} else None
        if own is not None:
            self.path, self.source = Path(f"{name} of {kind.name}"), own
        else:
            self.path = _find(name, kind)
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

    def __reduce__(self) -> tuple[type["PromptTemplate"], tuple[str, TaskKind[Any]]]:
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


def _versions() -> list[str]:
    """Return the names of the shipped versions."""
    return sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir())


def _find(name: str, kind: TaskKind[Any]) -> Path:
    """Return the shipped file of a version and a kind, or the user's own file."""
    versions = [v for v in _versions() if (_FOLDER / v / f"{kind.name}.jinja").is_file()]
    if name in versions:
        return _FOLDER / name / f"{kind.name}.jinja"
    path = Path(name).expanduser()
    if path.is_file():
        return path
    raise ConfigError(
        "template not found",
        value=name,
        expected=f"a shipped template ({', '.join(versions)}) or the path of a file",
        next_step="Check the spelling or the path."
        if versions
        else f"Give the path, or have {kind.name}'s class return its text from template_text.",
    )
