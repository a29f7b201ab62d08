"""The command ``arcflow``: light tools at once, everything else through LightningCLI."""

import os
import sys
import time
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from arcflow import __version__
from arcflow.core import termination
from arcflow.core.errors import ArcflowError
from arcflow.core.run_start import run_begins

TOOLS = (
    "completion",
    "curve",
    "doctor",
    "init",
    "omniarc",
    "pool",
    "report",
    "sandbox",
    "score",
    "show",
    "solve",
    "study",
    "vote",
)
HOMES = {"completion": "arcflow.cli.completion", "study": "arcflow.studies.command"}
"""Modules of tools that are not in ``arcflow.tools``."""
RUNS = ("fit", "validate", "test", "predict", "generate")
DRY_RUN = "--dry-run"
"""The option of all of these but ``generate`` that measures a run instead of doing it."""
USER_ERROR, INTERRUPTED = 2, 130
"""Exit codes; 130 is a shell's own for what SIGINT ended."""
_JOURNALED = "Finished tasks are in the journal and the submission: the same command goes on."
_AFTER_SIGTERM = {
    "fit": "No step was taken since the start or the last checkpoint.",
    "validate": _JOURNALED,
    "test": _JOURNALED,
    "predict": _JOURNALED,
}

HELP = """usage: arcflow COMMAND [options]

Train, adapt at test time and evaluate language models on ARC.

commands that run a model (LightningCLI; `arcflow COMMAND --help`, `arcflow fit --data.help`)
  fit        train; `-c quickstart -c mine.yaml` compose, `--ckpt_path last` resumes
  validate   answer tasks whose solutions are known: one table of metrics, a submission
  test       the same on the datamodule's test tasks
  predict    answer tasks whose solutions are hidden: a submission
             (these four with --dry-run: what they would do, how long and with what memory)
  generate   `arcflow generate inputs`: sample new inputs of tasks from a model

light tools (`arcflow TOOL --help`)
  completion print what lets bash or zsh complete commands, options and config names
  curve      show metrics against the number of predictions, as table and plot
  doctor     show what this machine has and lacks, and what that costs
  init       copy the configs that come with arcflow into a folder of your own
  omniarc    training tasks solved in code: coverage, and the programs
  pool       generate tasks once, into a file that serves them fast
  report     show an evaluation as one HTML page, or compare two
  sandbox    show which layers the sandbox of programs has here
  score      score submissions against solutions
  show       show a task's grids in colour
  solve      answer tasks without a model: search, and trees over cells; a submission
  study      run a table of experiments over several seeds and show it
  vote       turn candidates into a submission

options
  --version  print the version
  --help     print this page
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command; what a shell sees is SystemExit's code.

    Args:
        argv: the words after ``arcflow``; None takes them from the shell.

    Raises:
        SystemExit: 0 on success, 2 after a user's mistake (one message on stderr), 130 where the
            user interrupted, 143 where SIGTERM ended the run.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help"):
        print(HELP, end="")
        raise SystemExit(0)
    command = words[0]
    if command == "--version":
        print(f"arcflow {__version__}")
        raise SystemExit(0)
    if command in TOOLS:
        raise SystemExit(
            import_module(HOMES.get(command, f"arcflow.tools.{command}")).main(words[1:])
        )
    if command not in RUNS:
        near = import_module("arcflow.tools.run").did_you_mean(command, (*RUNS, *TOOLS))
        print(
            f"arcflow: unknown command {command!r}. Expected one of "
            f"{', '.join((*RUNS, *TOOLS))}. {near}See `arcflow --help`.",
            file=sys.stderr,
        )
        raise SystemExit(USER_ERROR)
    _search_working_directory_last()
    words = words[1:]
    if command == "generate":
        _check_what(words)
    with run_begins():
        _run_model(command, words)


def _search_working_directory_last() -> None:
    """Find a user's plug-ins in the working directory, but never a module instead of another's.

    A console script's path lacks the directory, ``python -c`` puts it first: a ``queue.py`` there
    would be imported in the place of the standard library's.
    """
    sys.path[:] = [*(path for path in sys.path if path not in ("", ".")), ""]


def _run_model(command: str, words: list[str]) -> NoReturn:
    """Run a command; SIGTERM ends it in good order."""
    with termination.handled():
        try:
            _import_and_run(command, words)
        except termination.Terminated as end:
            _terminated(command, end.saved)
        except Exception as error:
            # A process that helps the run may have received the signal first.
            if not termination.received() or isinstance(error, ArcflowError):
                raise
            _terminated(command)
        if termination.received():
            _terminated(command, "The run was complete.")
        raise SystemExit(0)


def _import_and_run(command: str, words: list[str]) -> None:
    """Refuse at once what can be refused; then import what a run needs, and run."""
    # Said by tqdm in every notebook without widgets, which nothing here draws.
    warnings.filterwarnings("ignore", "IProgress not found")
    try:
        dry = command != "generate" and DRY_RUN in words
        words = _prepare(command, [word for word in words if not (dry and word == DRY_RUN)])
        if command == "generate":
            import_module("arcflow.cli.generate").run(words)
        elif dry:
            import_module("arcflow.cli.dry_run").run([command, *words])
        else:
            import_module("arcflow.cli.lightning").run([command, *words])
    except KeyboardInterrupt:
        _interrupted(command)
    except SystemExit as stop:
        # So does Lightning end a run that it was told to stop.
        if isinstance(stop.__context__, KeyboardInterrupt):
            _interrupted(command)
        raise
    except Exception as error:
        if termination.received() and not isinstance(error, ArcflowError):
            raise  # another process's end is no mistake of the user
        message = import_module("arcflow.cli.error_messages").user_message(error, command)
        if message is None:
            raise
        if import_module("arcflow.cli.report_once").already_reported(message):
            raise SystemExit(USER_ERROR) from None
        print(f"arcflow: {message}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from None


def _prepare(command: str, words: list[str]) -> list[str]:
    """Print the help, or check the options; without torch and Lightning.

    Returns:
        The words with the files of configs that were named.
    """
    known = import_module("arcflow.cli.option_index").is_current()
    if known and {"-h", "--help"} & set(words):
        print(import_module("arcflow.cli.help_page").help_page(command), end="")
        raise SystemExit(0)
    words = import_module("arcflow.cli.config_names").resolve_configs(words)
    words = import_module("arcflow.tools.id_words").keep_ids(words)
    words = import_module("arcflow.cli.word_forms").expand(words)
    import_module("arcflow.cli.launch_variables").check_launch(os.environ)
    import_module("arcflow.cli.precheck").check(command, words, known)
    return words


def _check_what(words: list[str]) -> None:
    """Take the word after ``generate``; there is one choice so far."""
    if words in (["-h"], ["--help"]):
        return
    if not words or words[0] != "inputs":
        print(
            f"arcflow generate: unknown {words[0] if words else None!r}. Expected: inputs. "
            "See `arcflow generate inputs --help`.",
            file=sys.stderr,
        )
        raise SystemExit(USER_ERROR)
    del words[0]


def _terminated(command: str, saved: str = "") -> NoReturn:
    """Say in one line what is saved; of several processes, the first says it."""
    ranks = {os.environ.get(name, "0") for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID")}
    if ranks == {"0"}:
        after = saved or _AFTER_SIGTERM.get(command, "")
        print(f"arcflow: ended by SIGTERM. {after}".rstrip(), file=sys.stderr)
    elif not {"TORCHELASTIC_RUN_ID", "SLURM_PROCID"} & os.environ.keys():
        # The first process started this one, and would be killed if this one ended before it.
        parent, end = os.getppid(), time.monotonic() + 10
        while os.getppid() == parent and time.monotonic() < end:
            time.sleep(0.05)
    raise SystemExit(termination.EXIT_CODE) from None


def _interrupted(command: str) -> NoReturn:
    after = " Continue with --ckpt_path last, where a checkpoint was saved." * (command == "fit")
    print(f"arcflow: interrupted.{after}", file=sys.stderr)
    raise SystemExit(INTERRUPTED) from None
