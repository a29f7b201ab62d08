"""``arcflow sandbox``: show which layers of protection the sandbox has on this machine."""

import argparse
import warnings
from collections.abc import Sequence

from arcflow.tools.run import run


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow sandbox`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow sandbox",
        description="The sandbox that programs run in.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="start a worker and show what it gave up",
        description="Start a worker, show what it gave up, and run a program in it.",
    )
    check.add_argument(
        "--strict", action="store_true", help="fail where this machine lacks a layer"
    )
    return run(parser, _check, argv)


def _check(options: argparse.Namespace) -> None:
    import numpy as np

    from arcflow.sandbox.pool import Sandbox

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table shows the same
        with Sandbox(1, strict=options.strict) as sandbox:
            for layer in sandbox.layers:
                print(f"{'holds' if layer.holds else 'LACKS'}  {layer.name:13} {layer.detail}")
            grid = np.zeros((3, 3), dtype=np.int8)
            (result,) = sandbox.run(["def task(grid):\n    return grid + 1\n"], [[grid]])
            print(f"a program gives {type(result).__name__}")
