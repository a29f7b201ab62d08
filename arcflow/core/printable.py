"""Text of files in messages: what would steer a terminal is shown as an escape."""


def printable(text: str) -> str:
    """Return text with every character that cannot be printed as its escape, as in ``repr``.

    A task's id is a file's text and may hold anything: line ends that forge a message of their own,
    sequences that clear a terminal, half of a character that no output can encode.

    Args:
        text: The text, such as the id of a task.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
