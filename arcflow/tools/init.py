"""``arcflow init``: copy the configs that come with arcflow into a folder of one's own."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from arcflow.core.errors import ConfigError
from arcflow.core.files import write_whole
from arcflow.core.shipped_configs import config_folder, config_names
from arcflow.tools.run import run


def main(argv: Sequence[str]) -> int:
    """Run the tool.

    Args:
        argv: The words after ``arcflow init``.

    Returns:
        The exit code: 0, or 2 after a user's mistake.
    """
    parser = argparse.ArgumentParser(
        prog="arcflow init",
        description="Copy the configs that come with arcflow to DIR/configs, to read and change.",
    )
    parser.add_argument("folder", metavar="DIR", help="the folder to work in; it is made if needed")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there under the same names"
    )
    return run(parser, _work, argv)


def _work(options: argparse.Namespace) -> None:
    shipped = config_folder()
    target = Path(options.folder).expanduser() / "configs"
    names = [f"{name}.yaml" for name in config_names()]
    # A link that leads nowhere is somebody's file too.
    present = [name for name in names if os.path.lexists(target / name)]
    if present and not options.overwrite:
        raise ConfigError(
            f"{target}: files would be overwritten",
            value=present,
            expected="a folder without files of these names",
            next_step="Name another folder, or add --overwrite to replace them.",
        )
    for name in names:
        _copy(shipped / name, target / name)
    print(f"{target}: {len(names)} configs. Try `arcflow fit -c {target / 'quickstart.yaml'}`.")


def _copy(source: Path, target: Path) -> None:
    try:
        write_whole(target, source.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{target}: cannot be written",
            value=error.strerror,
            expected="a folder in which files can be made",
            next_step="Check the path and its permissions, or name another folder.",
        ) from error
