"""Programs: what a search found, written so that the sandbox can run it and a reader read it."""

from collections.abc import Sequence

from arcflow.search.stacking import EMPTY, SHOWN

API = "arcflow.search.words"
"""The module whose words the programs use: the ``api`` of a sandbox that runs them."""


def write_program(
    layers: Sequence[tuple[tuple[str, ...], int]],
    size: str,
    roles: tuple[tuple[int, ...], bool] | None,
) -> str:
    """Return a program that makes a stack.

    Args:
        layers: For each layer, the top one first, the names of its steps and how it is used.
        size: The output's size as a program writes it.
        roles: The fixed colours and whether the background becomes 0, if colours are renamed.
    """
    lines = ["def task(grid):", f'    """{describe(layers)}"""']
    if roles is not None:
        fixed, ground = roles
        lines.append(f"    grid, names = named_by_role(grid, {fixed!r}, {ground})")
    lines.append(f"    size = {size}")
    paths = list(dict.fromkeys(path for path, _ in layers))
    names = dict(zip(paths, "abcdefghij", strict=False))
    for path, name in names.items():
        lines.append(f"    {name} = piece(grid, size{''.join(f', {step!r}' for step in path)})")
    shown = [
        f"shown({names[path]})"
        if use == SHOWN
        else f"background({names[path]})"
        if use == EMPTY
        else names[path]
        for path, use in layers
    ]
    result = f"stack({', '.join(shown)})"
    if roles is not None:
        result = f"named_back({result}, names)"
    return "\n".join([*lines, f"    return {result}", ""])


def describe(layers: Sequence[tuple[tuple[str, ...], int]]) -> str:
    """Return one line that says how a stack is made."""
    texts = [", then ".join(path) or "the input" for path, _ in layers]
    parts = [
        f"the cells of ({text})"
        if use == SHOWN
        else f"the background of ({text})"
        if use == EMPTY
        else f"({text})"
        for text, (_, use) in zip(texts, layers, strict=True)
    ]
    return texts[0].capitalize() + "." if len(parts) == 1 else "Stack " + " on ".join(parts) + "."
