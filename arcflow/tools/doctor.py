"""``arcflow doctor``: what this machine has, what it lacks, and what each lacking piece costs."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict

from arcflow.core.printable import printable
from arcflow.tools.run import run


def main(argv: Sequence[str]) -> int:
    """Run the tool with the words after ``arcflow doctor`` and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="arcflow doctor",
        description="Show versions, the features of processor and GPU, vLLM, the sandbox's layers "
        "and the room on disk and in memory; and for what is missing, what it costs and how to get "
        "it. Takes about a quarter of a minute, most of it for importing torch.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list, for programs")
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    from arcflow.tools.machine import examine

    checks = examine()
    if options.json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
        return
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark = "ok   " if check.ok else "LACKS"
        print(f"{mark}  {check.name:<{width}}  {printable(check.found)}")
        if not check.ok:
            print(f"{'':7}{'':{width}}  {printable(check.cost)} {printable(check.remedy)}".rstrip())
    lacking = sum(not check.ok for check in checks)
    print(f"{len(checks)} checks, {lacking} lacking" if lacking else "Nothing is lacking.")
