"""Edits of a program's text that leave everything else as it was written."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Edit:
    """A replacement of a range of bytes of a text in UTF-8.

    Attributes:
        start: The index of the first byte.
        end: The index behind the last byte.
        text: The text that replaces the bytes.
    """

    start: int
    end: int
    text: str


class Text:
    """A program's text with its syntax tree.

    Args:
        text: The text of a program.

    Raises:
        SyntaxError: If the text is not a program.
    """

    def __init__(self, text: str) -> None:
        self.tree = ast.parse(text)
        self._data = text.encode()
        lengths = [len(line) for line in self._data.splitlines(keepends=True)]
        self._lines = [0, *np.cumsum(lengths).tolist()]

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return the range of a node's text.

        Args:
            node: A node of the program's syntax tree.

        Returns:
            The byte offsets [start, end) in the text's UTF-8.
        """
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        start = self._lines[node.lineno - 1] + node.col_offset
        return start, self._lines[node.end_lineno - 1] + node.end_col_offset

    def source(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self._data[start:end].decode()

    def between(self, edit: Edit) -> str:
        """Return the text that an edit would replace."""
        return self._data[edit.start : edit.end].decode()

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Edit:
        """Return the edit that replaces a node by a text."""
        return Edit(*self.span(node), text)

    def remove_lines(self, node: ast.stmt) -> Edit:
        """Return the edit that removes all lines of a statement."""
        assert node.end_lineno is not None
        return Edit(self._lines[node.lineno - 1], self._lines[node.end_lineno], "")

    def add_argument(self, call: ast.Call, argument: str) -> Edit:
        """Return the edit that adds an argument behind the last one of a call.

        Args:
            call: The call to change.
            argument: The text of the new argument.

        Returns:
            The edit.
        """
        _, end = self.span(call)
        before = self._data[: end - 1].rstrip()
        comma = b"" if before.endswith((b"(", b",")) else b","
        # Within parentheses a comma that ends the list may stay where it is.
        space = " " if comma or before.endswith(b",") else ""
        return Edit(len(before), end - 1, f"{comma.decode()}{space}{argument}")

    def with_edits(self, edits: Sequence[Edit]) -> str:
        """Return the text after edits that do not overlap."""
        data = self._data
        for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
            data = data[: edit.start] + edit.text.encode() + data[edit.end :]
        return data.decode()


def without_docstring(text: str) -> str:
    """Return a program's text without its docstring and its lines that are comments.

    Args:
        text: A text that defines one function.

    Returns:
        The shortened text.
    """
    program = Text(text)
    function = next(n for n in program.tree.body if isinstance(n, ast.FunctionDef))
    if ast.get_docstring(function) is not None and len(function.body) > 1:
        text = program.with_edits([program.remove_lines(function.body[0])])
        after = text.splitlines(keepends=True)
        if not after[function.lineno].strip():  # black leaves a line after a docstring at times
            del after[function.lineno]
        text = "".join(after)
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("#"))
