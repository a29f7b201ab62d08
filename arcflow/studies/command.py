"""``arcflow study``: run a table of experiments with several seeds each, and show it."""

import argparse
import gc
import shlex
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from arcflow.core.errors import ArcflowError, ConfigError, DataError
from arcflow.core.shipped_configs import find_config
from arcflow.studies.plan import StudyRun, parse_settings, plan
from arcflow.studies.report import Results, csv_text, markdown, read_result, table
from arcflow.studies.run_folder import DONE, LOG, RunFolderRecord, only_study
from arcflow.studies.runner import Failure, Progress, clock, run_all
from arcflow.studies.spec import Study, find_study, read_study
from arcflow.tools.run import run, stop_at_sigterm

FAILED = 1
ANALYSES = {
    "rearc-distribution": "arcflow.tools.rearc_distribution",
    "input-distribution": "arcflow.tools.input_distribution",
    "selection": "arcflow.studies.selection",
}
"""Studies that look at data or journals and train nothing, with options of their own, and their
modules."""
_LOOK = 0.2
"""The seconds between two looks at the children."""


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow study`` and return its exit code.

    Returns:
        0 for success; 1 if a row failed; 2 after a user's mistake; 130 after an
        interrupt; 143 where SIGTERM ended it.
    """
    if argv and argv[0] in ANALYSES:
        code: int = import_module(ANALYSES[argv[0]]).main(argv[1:])
        return code
    parser = argparse.ArgumentParser(
        prog="arcflow study",
        description="Run every row of a study with every seed, each in a process and a folder "
        "of its own, and show the table with the spread over seeds; as study.csv, study.md and "
        "study.png too. Finished runs are not repeated: if a study is stopped, at any moment, "
        "the same command continues it.",
        epilog=f"Studies of data and journals, with options of their own: {', '.join(ANALYSES)} "
        "(`arcflow study NAME --help`).",
    )
    parser.add_argument(
        "study", metavar="NAME_OR_FILE", help="configs/studies/NAME.yaml, or a study file"
    )
    parser.add_argument(
        "--output", metavar="DIR", help="folder of the study; default: runs/studies/NAME"
    )
    parser.add_argument("--only", metavar="ROW,...", help="run and show only these rows")
    parser.add_argument("--seeds", metavar="0,1,...", help="instead of the study's own seeds")
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes at a time; default: 1"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="set an option in every run (STAGE.OPTION=VALUE: in one stage's runs), unless a row "
        "sets it itself; may be given again",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the command lines and run nothing"
    )
    failures: list[Failure] = []
    with stop_at_sigterm():
        code = run(
            parser,
            lambda options: failures.extend(_work(options)),
            argv,
            interrupted="The same command goes on from here.",
        )
    return code or (FAILED if failures else 0)


def _work(options: argparse.Namespace) -> list[Failure]:
    gc.enable()  # a study takes hours
    study = _chosen(read_study(_study_file(options.study)), options.only, options.seeds)
    if options.jobs < 1:
        raise ConfigError(
            "--jobs is too small",
            value=options.jobs,
            expected="at least 1",
            next_step="Leave --jobs out, or give the number of processes at a time.",
        )
    output = Path(options.output or Path("runs") / "studies" / study.name)
    measuring = plan(study, output, study.seeds, parse_settings(study, options.set))
    runs = _in_order(measuring.values())
    if options.dry_run:
        for one in runs:
            print(shlex.join(["arcflow", *one.words()]))
        return []
    with only_study(output), _writing(output):
        try:
            failures = _show_runs(study, runs, options.jobs)
        finally:
            found, bad = _results(study, measuring)
            _report(study, found, output)
    failed = {failure.run for failure in failures}
    failures += [failure for failure in bad if failure.run not in failed]
    for failure in failures:
        print(f"\n{failure.run.name} failed: {failure.reason}", file=sys.stderr)
        for line in failure.tail:
            print(f"  {line}", file=sys.stderr)
        print(f"  log: {failure.run.folder / LOG}", file=sys.stderr)
    return failures


def _study_file(name: str) -> Path:
    """A file beside the person, else a study that comes with arcflow, in a wheel too."""
    try:
        return find_study(name)
    except ConfigError:
        shipped = find_config(f"studies/{name}")
        if shipped is None:
            raise
        return shipped


def _chosen(study: Study, only: str | None, seeds: str | None) -> Study:
    """Return the study with only the rows and seeds that were asked for."""
    rows, numbers = study.rows, study.seeds
    if only is not None:
        names, known = only.split(","), [row.name for row in rows]
        for name in names:
            if name not in known:
                raise ConfigError(
                    "--only: no such row",
                    value=name,
                    expected=f"some of {', '.join(known)}",
                    next_step="Correct the name.",
                )
        rows = tuple(row for row in rows if row.name in names)
    if seeds is not None:
        if not all(seed.isdecimal() for seed in seeds.split(",")):
            raise ConfigError(
                "--seeds: not numbers",
                value=seeds,
                expected="whole numbers from 0 up with commas between them",
                next_step="Write for example --seeds 0,1,2.",
            )
        numbers = tuple(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    return replace(study, rows=rows, seeds=numbers)


def _in_order(measuring: Iterable[StudyRun]) -> list[StudyRun]:
    """Return all runs, each once and after its parent."""
    found: dict[StudyRun, None] = {}
    for one in measuring:
        chain: list[StudyRun] = []
        step: StudyRun | None = one
        while step is not None:
            chain.append(step)
            step = step.parent
        found.update(dict.fromkeys(reversed(chain)))
    return list(found)


def _show_runs(study: Study, runs: Sequence[StudyRun], jobs: int) -> list[Failure]:
    """Run the runs, with one live line on a terminal and a message for each that has ended."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    progress, begin = Progress(len(runs), [one.stage.name for one in runs]), time.monotonic()

    def line() -> Text:
        text = f"{study.name}  {_status(progress, jobs, time.monotonic() - begin)}"
        return Text(text, no_wrap=True, overflow="ellipsis")

    live = Live(console=console, transient=True, refresh_per_second=2, get_renderable=line)
    failures: list[Failure] = []
    with closing(run_all(runs, jobs, progress)) as steps, live:
        for failed in steps:
            failures = failed
            messages, progress.messages = progress.messages, []
            for message in messages:
                console.print(f"[{progress.finished}/{progress.total}] {message}", markup=False)
            if progress.current or progress.waiting:
                time.sleep(_LOOK)
    return failures


def _status(progress: Progress, jobs: int, elapsed: float) -> str:
    """Return the counts of runs, the current ones, the time elapsed and an estimate of the rest."""
    now = time.monotonic()
    current = ", ".join(f"{name} ({clock(now - t)})" for name, t in progress.current.items())
    left = remaining(progress, jobs, [now - t for t in progress.current.values()])
    about = "" if left is None else f" · about {clock(left)} left"
    waiting = "".join(f" · waiting: {name}" for name in progress.waiting)
    return (
        f"{progress.finished}/{progress.total} · {current or '-'}{waiting} · "
        f"elapsed {clock(elapsed)}{about}"
    )


def remaining(progress: Progress, jobs: int, under_way: Sequence[float]) -> float | None:
    """Return the estimated seconds until the end, by the mean time of each stage's runs.

    Args:
        progress: The state of the study.
        jobs: The number of processes at a time.
        under_way: The seconds that the current runs have taken.

    Returns:
        The seconds, or None if a stage that is left has no finished run yet.
    """
    means = {stage: sum(of) / len(of) for stage, of in progress.seconds.items()}
    if not means.keys() >= set(progress.left):
        return None
    whole = sum(means[stage] for stage in progress.left)
    return max(0.0, (whole - sum(under_way)) / jobs)


def _results(
    study: Study, measuring: Mapping[tuple[str, int], StudyRun]
) -> tuple[Results, list[Failure]]:
    """Return the results that exist, and the runs whose results cannot be read."""
    found, bad = {}, []
    for key, one in measuring.items():
        try:
            record = RunFolderRecord.read(one.folder)
            if record is not None and record.state == DONE and one.results.is_file():
                found[key] = read_result(one.results, study.columns, record.seconds)
        except ArcflowError as error:
            bad.append(Failure(one, str(error), []))
    return found, bad


def _report(study: Study, results: Results, output: Path) -> None:
    from rich.console import Console

    if not results:
        return
    from arcflow.studies.plot import draw
    from arcflow.studies.trend import draw_trend, trend_lines

    names, trend = ["study.csv", "study.md", "study.png"], trend_lines(study, results)
    (output / "study.csv").write_text(csv_text(study, results), "utf-8")
    text = "\n".join(
        [markdown(study, results), *trend, ""] if trend else [markdown(study, results)]
    )
    (output / "study.md").write_text(text, "utf-8")
    draw(study, results, output / "study.png")
    if trend and draw_trend(study, results, output / "trend.png"):
        names.append("trend.png")
    console = Console()
    # A file or a pipe gets whole lines, while a terminal has its own width.
    (console if console.is_terminal else Console(width=240)).print(table(study, results))
    print(*trend, sep="\n", end="\n" if trend else "")
    print(f"{output}: {', '.join(names)}")


@contextmanager
def _writing(output: Path) -> Iterator[None]:
    """Turn a full disk and the like into an error in words."""
    try:
        yield
    except BrokenPipeError:
        raise  # the reader of the messages stopped reading
    except OSError as error:
        raise DataError(
            f"the study cannot go on ({error.strerror})",
            value=str(error.filename or output),
            expected="a folder that can be written to, with room in it",
            next_step="Make room there, and run the same command again: what is done stays.",
        ) from error
