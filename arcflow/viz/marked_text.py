"""Text of which some pieces are marked: in the terminal, as an SVG, and as a picture file."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from arcflow.core.files import write_whole
from arcflow.core.printable import printable
from arcflow.viz.terminal import Colors

Piece = tuple[str, bool]
"""A text, and whether it is marked."""

OPEN, CLOSE = "⟦", "⟧"
"""What stands around marked pieces where there are no colours."""
_NEWLINE = "↵"
_WIDTH = 110  # columns of a picture
_CHARACTER, _LINE, _MARGIN, _SIZE = 8, 18, 12, 13  # pixels
_PAPER, _INK, _MARK = "#ffffff", "#1b1b1f", "#bfe8c9"


def marked_lines(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Return the pieces line by line; each newline is drawn as ``↵``, as it is a character too.

    Args:
        pieces: The text in order.
    """
    lines: list[list[Piece]] = [[]]
    for text, marked in pieces:
        for i, part in enumerate(text.split("\n")):
            if i:
                lines[-1].append((_NEWLINE, marked))
                lines.append([])
            if part:
                lines[-1].append((printable(part), marked))
    return lines


def render_marked(pieces: Sequence[Piece], colors: Colors = "none") -> str:
    """Return the text for a terminal, marked pieces on green or in brackets.

    Args:
        pieces: The text in order.
        colors: Whether there are colours.
    """
    before, after = (OPEN, CLOSE) if colors == "none" else ("\x1b[30;42m", "\x1b[0m")
    out = []
    for line in marked_lines(pieces):
        words = ""
        for text, marked in _joined(line):
            words += f"{before}{text}{after}" if marked else text
        out.append(words)
    return "\n".join(out)


def save_marked(pieces: Sequence[Piece], title: str, path: Path) -> None:
    """Write a picture of the text, as an SVG if the path ends in ``.svg``, otherwise as a PNG.

    Args:
        pieces: The text in order.
        title: A line above it.
        path: The picture file to write.

    Raises:
        OSError: The file cannot be written.
    """
    lines = [[(title, False)], [], *_wrapped(marked_lines(pieces))]
    wide = max(sum(len(text) for text, _ in line) for line in lines)
    size = (wide * _CHARACTER + 2 * _MARGIN, len(lines) * _LINE + 2 * _MARGIN)
    if path.suffix == ".svg":
        write_whole(path, _svg(lines, size).encode())
    else:
        _draw(lines, size, path)


def _joined(line: Sequence[Piece]) -> list[Piece]:
    """Return the pieces of a line, neighbours of one kind as one."""
    joined: list[Piece] = []
    for text, marked in line:
        if joined and joined[-1][1] == marked:
            joined[-1] = (joined[-1][0] + text, marked)
        else:
            joined.append((text, marked))
    return joined


def _wrapped(lines: Sequence[Sequence[Piece]]) -> list[list[Piece]]:
    """Return the lines cut at the width of a picture."""
    cut: list[list[Piece]] = []
    for line in lines:
        cut.append([])
        room = _WIDTH
        for text, marked in _joined(line):
            while text:
                if not room:
                    cut.append([])
                    room = _WIDTH
                cut[-1].append((text[:room], marked))
                text, room = text[room:], room - len(text[:room])
    return cut


def _svg(lines: Sequence[Sequence[Piece]], size: tuple[int, int]) -> str:
    parts = []
    for i, line in enumerate(lines):
        x, y = _MARGIN, _MARGIN + i * _LINE
        for text, marked in line:
            wide = len(text) * _CHARACTER
            if marked:
                parts.append(
                    f'<rect x="{x}" y="{y}" width="{wide}" height="{_LINE}" fill="{_MARK}"/>'
                )
            parts.append(
                f'<text x="{x}" y="{y + _SIZE}" textLength="{wide}" xml:space="preserve">'
                f"{escape(text)}</text>"
            )
            x += wide
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="monospace" font-size="{_SIZE}" '
        f'fill="{_INK}">\n<rect width="{width}" height="{height}" fill="{_PAPER}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _draw(lines: Sequence[Sequence[Piece]], size: tuple[int, int], path: Path) -> None:
    from matplotlib.font_manager import findfont
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(findfont("DejaVu Sans Mono"), _SIZE)
    image = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        x, y = _MARGIN, _MARGIN + i * _LINE
        for text, marked in line:
            wide = len(text) * _CHARACTER
            if marked:
                pen.rectangle((x, y, x + wide - 1, y + _LINE - 1), fill=_MARK)
            for j, character in enumerate(text):  # in columns, whatever the font's own width
                pen.text((x + j * _CHARACTER, y), character, fill=_INK, font=font)
            x += wide
    image.save(path, optimize=True)
