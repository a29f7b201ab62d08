"""``arcflow pool``: build a pool of tasks from a source, and check one."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

from arcflow.core.errors import ArcflowError
from arcflow.core.overwriting import refuse_overwriting
from arcflow.tools.run import run, stop_at_sigterm

_ABOUT = """usage: arcflow pool [-h] {build,check} ...

A pool holds tasks that a source generated once, in one file that is read in place. Training from
it, with the source PoolSource, costs next to nothing.

  build  draw tasks from a source and write them (`arcflow pool build --help`)
  check  check every byte of a pool and say what is in it (`arcflow pool check --help`)
"""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow pool`` and return its exit code.

    Returns:
        0 for success; 2 after a user's mistake; 130 after an interrupt.
    """
    command, words = (argv[0], list(argv[1:])) if argv else ("", [])
    if command in ("-h", "--help"):
        print(_ABOUT, end="")
        return 0
    if command not in ("build", "check"):
        print(
            f"arcflow pool: unknown command {command!r}. Expected build or check. "
            "See `arcflow pool --help`.",
            file=sys.stderr,
        )
        return 2
    with stop_at_sigterm():
        return _build(words) if command == "build" else _check(words)


def _build(words: Sequence[str]) -> int:
    if any(word.startswith("--source") for word in words):
        _import_sources()
    parser = _build_parser()

    def work(options: Any) -> None:
        from arcflow.sources.pool.build import build_pool

        refuse_overwriting("OUT", options.out, _texts(options.source))
        source = _made(parser, options)
        with _progress(f"pool of {source.name}", options.tasks, "tasks") as advance:
            built = build_pool(
                options.out,
                source,
                options.tasks,
                seed=options.seed,
                processes=options.processes or len(os.sched_getaffinity(0)),
                overwrite=options.overwrite,
                strict=options.strict,
                progress=advance,
            )
        print(
            f"{options.out}: {built.tasks:,} tasks, {built.pairs:,} pairs of {built.families} "
            f"families, {built.bytes / 1e6:,.1f} MB"
        )
        if built.left_out:
            print(f"left out: {built.left_out:,} tasks", file=sys.stderr)
            for reason in built.reasons:
                print(f"  {reason}", file=sys.stderr)

    from arcflow.tools.id_words import keep_ids

    return run(parser, work, keep_ids(words), interrupted="Nothing was written.")


def _build_parser() -> Any:
    import yaml
    from jsonargparse import ArgumentParser, get_loader, set_loader
    from jsonargparse.typing import NonNegativeInt, PositiveInt

    from arcflow.core.yaml_text import prepare_yaml
    from arcflow.sources.base import Source

    load = get_loader("yaml")
    set_loader("yaml", lambda text: load(prepare_yaml(text)), (yaml.YAMLError,))
    parser = ArgumentParser(
        prog="arcflow pool build",
        description="Draw tasks from a source and write them as a pool. The same source, seed and "
        "number give the same bytes, whatever the number of processes. The file is there whole "
        "or not at all.",
    )
    parser.add_argument("out", metavar="OUT", type=str, help="the file to make")
    parser.add_argument(
        "--source",
        type=Source,
        required=True,
        help="where the tasks come from: a class, such as ReARC, and --source.OPTION for each of "
        "its options (--source.help CLASS shows them)",
    )
    parser.add_argument(
        "--tasks", type=PositiveInt, default=100_000, help="number of tasks to draw"
    )
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="of the draw")
    parser.add_argument(
        "--processes",
        type=NonNegativeInt,
        default=0,
        help="processes that draw at a time; 0 takes one a core",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file that is there already"
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first task that the source cannot give, instead of leaving it out",
    )
    return parser


def _check(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="arcflow pool check",
        description="Check every byte of a pool and say what is in it. Opening a pool checks all "
        "but its grids, and serving one checks the grids it serves.",
    )
    parser.add_argument("pool", metavar="POOL", help="the file")
    return run(parser, _show, words)


def _show(options: argparse.Namespace) -> None:
    from arcflow.sources.pool.file import VERSION, PoolFile

    file = PoolFile(options.pool)
    with _progress("checking", file.records_bytes(), "bytes") as advance:
        file.check(advance)
    about = file.about
    print(f"{options.pool}: sound, version {VERSION}")
    print(f"  source    {about['name']}, seed {about['seed']}")
    for name, value in about["identity"].items():
        print(f"            {name}: {value}")
    print(
        f"  tasks     {len(file):,} of {about['drawn']:,} drawn, {about['pairs']:,} pairs, "
        f"{len(about['families'])} families"
    )
    print(f"  size      {Path(options.pool).stat().st_size / 1e6:,.1f} MB")
    print(f"  digest    {file.digest}")


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in the options of a source, as any may name a file."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
    elif hasattr(value, "as_dict"):
        yield from _texts(list(value.as_dict().values()))
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))


def _made(parser: Any, options: Any) -> Any:
    """Return the source that was named; what is wrong with its options is said in its own words."""
    try:
        return parser.instantiate(options).source
    except ValueError as error:
        if isinstance(error.__cause__, ArcflowError):
            raise error.__cause__ from None
        raise


def _import_sources() -> None:
    """Import all sources, so that one can be named by its class alone.

    The working directory is put on the path, so that a user's own sources are found.
    """
    package = import_module("arcflow.sources")
    for module in walk_packages(package.__path__, "arcflow.sources."):
        if not module.name.endswith(".worker"):
            import_module(module.name)
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")


@contextmanager
def _progress(what: str, total: int, unit: str) -> Iterator[Any]:
    """Show a bar on stderr if it is a terminal, and yield the function to call at each step."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn(f"{{task.completed:,.0f}}/{{task.total:,.0f}} {unit}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        number = bar.add_task(what, total=total)
        yield lambda done: bar.advance(number, done)
