"""Views of a task as a model sees them, and the exact prompt, in the terminal or as a picture."""

import argparse
from importlib import import_module
from typing import Any

from arcflow.api.pictures import Picture
from arcflow.core.augment import Augmentation
from arcflow.core.errors import ConfigError
from arcflow.core.printable import printable
from arcflow.core.task import Task
from arcflow.evaluation.views import evaluation_views
from arcflow.viz.marked_text import CLOSE, OPEN, render_marked, save_marked
from arcflow.viz.picture_file import picture_file
from arcflow.viz.svg import Row
from arcflow.viz.terminal import Colors, render_task


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of views and prompts."""
    group = parser.add_argument_group("what a model sees")
    group.add_argument(
        "--views",
        type=int,
        metavar="N",
        help="show the first N views of the task under which an evaluation asks about it",
    )
    group.add_argument(
        "--prompt",
        action="store_true",
        help="show the exact text that a model reads, and mark the tokens that the loss scores",
    )
    group.add_argument(
        "--view",
        type=int,
        metavar="K",
        help="with --prompt: the view to show, from 0; default: 0",
    )
    group.add_argument(
        "--test",
        type=int,
        metavar="I",
        help="with --prompt: the test input to ask about, from 0; default: 0",
    )
    group.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        metavar="CONFIG",
        help="take tokenizer, text format, augmentation and seed from a config file, a shipped "
        "config or a run's folder; may be given again, the last one wins",
    )
    group.add_argument(
        "--tokenizer",
        default="",
        metavar="NAME",
        help="a tokenizer's name or folder, instead of the config's",
    )


def check_options(options: argparse.Namespace) -> None:
    """Refuse options that would have no effect beside each other.

    Args:
        options: With those of :func:`add_options`.

    Raises:
        ConfigError: ``--prompt`` and ``--views`` are both given, or ``--view`` or ``--test``
            without ``--prompt``.
    """
    if options.prompt and options.views is not None:
        raise ConfigError(
            "--views and --prompt: only one of them can be shown",
            value={"--views": options.views, "--prompt": True},
            expected="--views N, or --prompt for the text of one view",
            next_step="Leave one out; --prompt --view K chooses the view.",
        )
    for name in ("view", "test"):
        if not options.prompt and getattr(options, name) is not None:
            raise ConfigError(
                f"--{name}: it chooses what --prompt shows, which is not given",
                value=getattr(options, name),
                expected=f"--prompt --{name} {getattr(options, name)}",
                next_step=f"Add --prompt, or leave --{name} out.",
            )


def show_views(options: argparse.Namespace, task: Task, colors: Colors, width: int) -> None:
    """Show what the options ask for: the views of a task, or a prompt.

    Args:
        options: With those of :func:`add_options`, and ``output``.
        task: The task.
        colors: Whether cells are digits or coloured.
        width: The width of the terminal, in columns.

    Raises:
        ConfigError: An option is out of range, no tokenizer is given, or a config cannot be read.
        DataError: The picture cannot be written.
    """
    if options.prompt and not options.config and not options.tokenizer:
        raise ConfigError(
            "--prompt: the tokenizer is not given",
            value=None,
            expected="--config CONFIG (a config, or a run's folder) or --tokenizer NAME",
            next_step="Add -c quickstart, for example, or --tokenizer characters.",
        )
    # It reads tokenizers, which this tool does not need otherwise.
    prompts = import_module("arcflow.api.prompts")
    settings = prompts.read_settings(options.config, options.tokenizer)
    chosen, test = options.view or 0, options.test or 0
    number = chosen + 1 if options.prompt else options.views
    if number < 1:
        if options.prompt:
            raise _out_of_range("--view", options, "0 or more")
        raise _out_of_range("--views", options, "1 or more")
    views = evaluation_views(task, number, settings.augment, settings.seed)
    if not options.prompt:
        _show_views(views, task, options.output, colors, width)
        return
    if chosen >= len(views):
        raise _out_of_range("--view", options, f"below {len(views)}: the task has no more views")
    if not 0 <= test < len(task.test):
        raise _out_of_range("--test", options, f"0 to {len(task.test) - 1}")
    view = views[chosen]
    marked = prompts.mark_prompt(settings, view.apply(task), test)
    _show_prompt(marked, f"{printable(task.id)}, view {chosen}: {view.name}", options, colors)


def _out_of_range(name: str, options: argparse.Namespace, expected: str) -> ConfigError:
    return ConfigError(
        f"{name} is out of range",
        value=getattr(options, name.removeprefix("--")),
        expected=expected,
        next_step=f"Correct {name}.",
    )


def _show_views(
    views: list[Augmentation], task: Task, output: str | None, colors: Colors, width: int
) -> None:
    shown = [view.apply(task) for view in views]
    if output is None:
        for i, (view, seen) in enumerate(zip(views, shown, strict=True)):
            print(f"view {i}: {view.name}")
            print(render_task(seen, colors, width))
        return
    rows: list[Row] = []
    for part in ("train", "test"):
        for i in range(len(getattr(task, part))):
            fields = []
            for seen in shown:
                pair = getattr(seen, part)[i]
                fields.append([g for g in (pair.input, pair.output) if g is not None])
            rows.append((f"{part} {i}", fields))
    Picture(rows, [f"view {i}" for i in range(len(views))], task).save(output)
    print(f"written: {output}")


def _show_prompt(marked: Any, title: str, options: argparse.Namespace, colors: Colors) -> None:
    facts = f"{marked.tokens} tokens, {marked.scored} scored, {marked.pairs} train pairs"
    if options.output is None:
        how = f" (between {OPEN} and {CLOSE})" if colors == "none" else " (on green)"
        print(f"{title}\n{facts}{how if marked.scored else ''}\n")
        print(render_marked(marked.pieces, colors))
        return
    with picture_file(options.output) as path:
        save_marked(marked.pieces, f"{title}; {facts}", path)
    print(f"written: {path}")
