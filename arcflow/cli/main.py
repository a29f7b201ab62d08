"""The command ``arcflow``: light tools at once, everything else through LightningCLI."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from arcflow import __version__

TOOLS = ("curve", "omniarc", "pool", "sandbox", "score", "show", "study", "vote")
HOMES = {"study": "arcflow.studies.command"}
"""Modules of tools that are not in ``arcflow.tools``."""
RUNS = ("fit", "validate", "test", "predict", "generate")
USER_ERROR, INTERRUPTED = 2, 130
"""Exit codes; 130 is a shell's own for what SIGINT ended."""

HELP = """usage: arcflow COMMAND [options]

Train, adapt at test time and evaluate language models on ARC.

commands that run a model (LightningCLI; `arcflow COMMAND --help`, `arcflow fit --data.help`)
  fit        train; `-c a.yaml -c b.yaml` compose, `--ckpt_path last` resumes
  validate   answer tasks whose solutions are known: one table of measures, a submission
  test       the same on the datamodule's test tasks
  predict    answer tasks whose solutions are hidden: a submission
  generate   `arcflow generate inputs`: sample new inputs of tasks from a model

light tools (`arcflow TOOL --help`)
  curve      show measures against the number of predictions, as table and plot
  omniarc    training tasks solved in code: coverage, and the programs
  pool       generate tasks once, into a file that serves them fast
  sandbox    show which layers the sandbox of programs has here
  score      score submissions against solutions
  show       show a task's grids in colour
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
            user interrupted.
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
        print(
            f"arcflow: unknown command {command!r}. Expected one of "
            f"{', '.join((*RUNS, *TOOLS))}. See `arcflow --help`.",
            file=sys.stderr,
        )
        raise SystemExit(USER_ERROR)
    # A console script's path lacks the working directory; a user's plug-ins live there.
    if "" not in sys.path and "." not in sys.path:
        sys.path.insert(0, "")
    module = "arcflow.cli.lightning"
    if command == "generate":
        module, words = "arcflow.cli.generate", words[1:]
        _check_what(words)
    try:
        import_module(module).run(words)
    except KeyboardInterrupt:
        _interrupted(command)
    except SystemExit as stop:
        # So does Lightning end a run that it was told to stop.
        if isinstance(stop.__context__, KeyboardInterrupt):
            _interrupted(command)
        raise
    except Exception as error:
        message = import_module("arcflow.cli.error_messages").user_message(error, command)
        if message is None:
            raise
        if import_module("arcflow.cli.report_once").already_reported(message):
            raise SystemExit(USER_ERROR) from None
        print(f"arcflow: {message}", file=sys.stderr)
        raise SystemExit(USER_ERROR) from None
    raise SystemExit(0)


def _check_what(words: list[str]) -> None:
    """Take the word after ``generate``; there is one choice so far."""
    if not words or words[0] != "inputs":
        print(
            f"arcflow generate: unknown {words[0] if words else None!r}. Expected: inputs. "
            "See `arcflow generate inputs --help`.",
            file=sys.stderr,
        )
        raise SystemExit(USER_ERROR)
    del words[0]


def _interrupted(command: str) -> NoReturn:
    after = " Continue with --ckpt_path last, where a checkpoint was saved." * (command == "fit")
    print(f"arcflow: interrupted.{after}", file=sys.stderr)
    raise SystemExit(INTERRUPTED) from None
