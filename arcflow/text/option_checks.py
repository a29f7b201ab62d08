"""The checks of an encoder's tokenizer and options, which are made before anything is encoded."""

from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.text.kinds import TaskKind


def check_options(
    tokenizer: Any,
    kind: TaskKind[Any],
    text_format: str,
    loss: str,
    cells: str,
    code_tokens: int,
) -> None:
    """Check that a tokenizer and the options of a text configuration can work.

    Args:
        tokenizer: A tokenizer of transformers.
        kind: What is asked of a task.
        text_format: The option ``format``.
        loss: The option ``loss``.
        cells: The option ``cells``.
        code_tokens: The option ``code_tokens``.

    Raises:
        ConfigError: If the tokenizer is not a fast one, or if an option has an impossible value.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise ConfigError(
            "tokenizer: it does not report where its tokens stand in the text",
            value=type(tokenizer).__name__,
            expected="a fast tokenizer (one with a tokenizer.json)",
            next_step="Convert it to a fast tokenizer, or choose another model.",
        )
    for option, value, allowed in (
        ("format", text_format, list(kind.templates)),
        ("loss", loss, ["completion", "outputs"]),
        ("cells", cells, ["auto", "single", "tokenizer"]),
    ):
        if value not in allowed:
            raise ConfigError(
                f"text option {option}",
                value=value,
                expected=" or ".join(map(repr, allowed)),
                next_step=f"Change the text's {option}.",
            )
    if code_tokens < 1:
        raise ConfigError(
            "text option code_tokens",
            value=code_tokens,
            expected="an integer >= 1",
            next_step="Change the text's code_tokens.",
        )
