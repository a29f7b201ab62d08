"""Study files: YAML that says which rows a table has and which runs make each of them.

A file has ``title``, ``stages`` (the runs of a row, in order), ``rows`` (what each changes),
``seeds``, ``columns`` (the metrics to show) and optionally ``plot`` (those to plot) and ``trend``.
"""

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from arcflow.core.errors import ConfigError
from arcflow.core.yaml_text import prepare_yaml
from arcflow.studies.option_tree import merge

COMMANDS = ("fit", "validate", "test")
MEASURED = ("validate", "test")
"""The commands that write a results file."""

PLOT = ("loss", "accuracy", "vote_2")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NEXT = "Correct the study file; docs/studies.md describes it."

Options = Mapping[str, Any]
"""The values of options by their names on the command line, without the dashes."""


@dataclass(frozen=True)
class StudyStage:
    """One run of every row.

    Attributes:
        name: The name of the stage.
        command: The arcflow command, "fit", "validate" or "test".
        configs: The files after ``-c``, in order.
        tree: The merged content of the configs.
        options: What all rows set beside the configs.
        checkpoint: The earlier stage whose last checkpoint is evaluated, or "" for none.
    """

    name: str
    command: str
    configs: tuple[Path, ...]
    tree: Mapping[str, Any]
    options: Options
    checkpoint: str = ""


@dataclass(frozen=True)
class StudyRow:
    """One line of the table.

    Attributes:
        name: The name in folders and for ``--only``.
        label: The name to show.
        options: What this row sets in each stage; nothing in a reference row.
        start: The fit stage whose trained weights this row's first fit starts from, or "" for none.
        x: The number of the row in the study's trend, or None.
    """

    name: str
    label: str
    options: Mapping[str, Options]
    start: str = ""
    x: float | None = None

    @property
    def changes(self) -> bool:
        """Whether the row differs from the stages' options; a reference row does not."""
        return bool(self.start) or any(self.options.values())


@dataclass(frozen=True)
class Study:
    """The content of a study file.

    Attributes:
        name: The name of the file without its suffix.
        title: The title of table and plot.
        stages: The stages in the order in which they run; the last one measures.
        rows: The rows in the order of the table.
        seeds: The seeds that each row is run with.
        columns: The metrics to show.
        plot: Those of the metrics to plot.
        starts: The stages that rows start from, which only those rows run.
        trend: What the rows' numbers say, if a line is to be fitted through them; otherwise "".
    """

    name: str
    title: str
    stages: tuple[StudyStage, ...]
    rows: tuple[StudyRow, ...]
    seeds: tuple[int, ...]
    columns: tuple[str, ...]
    plot: tuple[str, ...]
    starts: frozenset[str] = frozenset()
    trend: str = ""

    def stages_of(self, row: StudyRow) -> tuple[StudyStage, ...]:
        """Return the stages that the row runs, in order."""
        return tuple(s for s in self.stages if s.name == row.start or s.name not in self.starts)


def find_study(name: str) -> Path:
    """Return the file that NAME_OR_FILE means.

    Raises:
        ConfigError: There is no such file or study.
    """
    # The working directory comes first, then the clone that holds the package.
    folders = [Path("configs/studies"), Path(__file__).parents[2] / "configs" / "studies"]
    for path in (Path(name).expanduser(), *(folder / f"{name}.yaml" for folder in folders)):
        if path.is_file():
            return path
    known = sorted({path.stem for folder in folders for path in folder.glob("*.yaml")})
    raise ConfigError(
        "no such study",
        value=name,
        expected=f"a study file, or one of {', '.join(known) or 'configs/studies (none there)'}",
        next_step="Check the name; paths start at the working directory.",
    )


def read_study(path: Path) -> Study:
    """Return the study that a study file describes; paths in it are relative to its own folder.

    Raises:
        ConfigError: A key is unknown or missing, a type is wrong, or a stage or config does not
            exist.
    """
    obj = read_yaml(path)
    where = str(path)
    _keys(
        obj,
        where,
        required=("stages", "rows", "seeds", "columns"),
        optional=("title", "plot", "trend"),
    )
    stages: list[StudyStage] = []
    for name, stage in _mapping(obj["stages"], f"{where}: stages").items():
        stages.append(_stage(path, str(name), stage, stages))
    if stages[-1].command not in MEASURED:
        _refuse(f"{where}: the last stage measures", stages[-1].command, " or ".join(MEASURED))
    columns = _list(obj["columns"], f"{where}: columns", str)
    plot = _list(obj.get("plot", [c for c in PLOT if c in columns] or columns[:2]), where, str)
    if not set(plot) <= set(columns):
        _refuse(f"{where}: plot", plot, f"some of the columns: {', '.join(columns)}")
    rows = tuple(
        _row(where, name, row, stages)
        for name, row in _mapping(obj["rows"], f"{where}: rows").items()
    )
    _check_starts(where, rows, stages)
    trend = _text(obj.get("trend", ""), f"{where}: trend")
    for row in rows:
        if (row.x is None) == bool(trend):
            _refuse(f"{where}: row {row.name}: x", row.x, "a number above 0, with trend alone")
    return Study(
        name=path.stem,
        title=_text(obj.get("title", path.stem), f"{where}: title"),
        stages=tuple(stages),
        rows=rows,
        seeds=tuple(_list(obj["seeds"], f"{where}: seeds", int)),
        columns=tuple(columns),
        plot=tuple(plot),
        starts=frozenset(row.start for row in rows if row.start),
        trend=trend,
    )


def _stage(path: Path, name: str, obj: object, earlier: list[StudyStage]) -> StudyStage:
    where = f"{path}: stage {name}"
    _check_name(where, name, taken=("label", "start", "x"))
    stage = _mapping(obj, where)
    _keys(stage, where, required=("command", "configs"), optional=("options", "checkpoint"))
    command, checkpoint = stage["command"], stage.get("checkpoint", "")
    if command not in COMMANDS:
        _refuse(f"{where}: command", command, ", ".join(COMMANDS))
    fits = [stage.name for stage in earlier if stage.command == "fit"]
    if checkpoint and (command == "fit" or checkpoint not in fits):
        _refuse(
            f"{where}: checkpoint",
            checkpoint,
            f"in a stage that evaluates, the name of an earlier fit stage ({', '.join(fits)})",
        )
    names = _list(stage["configs"], f"{where}: configs", str)
    configs = [Path(os.path.normpath(path.parent / config)) for config in names]
    tree: dict[str, Any] = {}
    for config in configs:
        if not config.is_file():
            _refuse(
                f"{where}: no such config", str(config), "a file, named from the study's folder"
            )
        merge(tree, read_yaml(config))
    options = _options(stage, "options", where)
    return StudyStage(name, command, tuple(configs), tree, options, checkpoint)


def _row(where: str, name: object, obj: object, stages: list[StudyStage]) -> StudyRow:
    where = f"{where}: row {name}"
    _check_name(where, name)
    row = _mapping(obj, where)
    names = [stage.name for stage in stages]
    _keys(row, where, optional=("label", "start", "x", *names))
    options = {stage: _options(row, stage, where) for stage in names if stage in row}
    label = _text(row.get("label", name), f"{where}: label")
    start, x = _text(row.get("start", ""), f"{where}: start"), row.get("x")
    if x is not None and (type(x) not in (int, float) or not 0 < x < float("inf")):
        _refuse(f"{where}: x", x, "a number above 0")
    return StudyRow(str(name), label, options, start, x)


def _check_starts(where: str, rows: Collection[StudyRow], stages: list[StudyStage]) -> None:
    """Refuse starts that are no fit or that no fit follows, and options that no run would use."""
    fits = [stage.name for stage in stages if stage.command == "fit"]
    starts = {row.start for row in rows if row.start}
    used = {stage.checkpoint for stage in stages}
    for row in rows:
        if row.start and row.start not in fits:
            _refuse(f"{where}: row {row.name}: start", row.start, f"a fit stage: {', '.join(fits)}")
        later = fits[fits.index(row.start) + 1 :] if row.start else fits
        if row.start and not any(fit not in starts for fit in later):
            _refuse(
                f"{where}: row {row.name}: start", row.start, "a stage with another fit after it"
            )
        for stage in row.options:
            if stage in starts - {row.start}:
                _refuse(
                    f"{where}: row {row.name}: options of a stage that it does not run",
                    stage,
                    f"start: {stage} in this row, or options of other stages",
                )
    if starts & used:
        _refuse(
            f"{where}: checkpoint",
            sorted(starts & used)[0],
            "in a stage that evaluates, a fit stage that all rows run",
        )


def _options(obj: Mapping[Any, Any], key: str, where: str) -> Options:
    options = obj.get(key) or {}
    if not isinstance(options, dict) or not all(isinstance(name, str) for name in options):
        _refuse(f"{where}: {key}", options, "option names as on the command line, and values")
    return dict(options)


def read_yaml(path: Path) -> dict[Any, Any]:
    """Return the mapping in a YAML file.

    Raises:
        ConfigError: The file is unreadable, not YAML, no mapping, or has a key twice.
    """
    try:
        text = path.read_text("utf-8")
        found = yaml.safe_load(prepare_yaml(text, str(path)))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        _refuse(f"{path}: cannot be read", " ".join(str(error).split()), "a YAML file in UTF-8")
    return _mapping(found, str(path))


def _refuse(what: str, value: object, expected: str) -> Any:
    raise ConfigError(what, value=value, expected=expected, next_step=_NEXT)


def _mapping(obj: object, where: str) -> dict[Any, Any]:
    if not isinstance(obj, dict) or not obj:
        # A row without options is written with nothing after its colon, or as {}.
        if (obj is None or obj == {}) and ": row " in where:
            return {}
        _refuse(f"{where}: wrong type", obj, "keys and values")
    return dict(obj)  # type: ignore[call-overload]


def _keys(
    obj: Mapping[Any, Any],
    where: str,
    required: Collection[str] = (),
    optional: Collection[str] = (),
) -> None:
    unknown = [key for key in obj if key not in {*required, *optional}]
    missing = [key for key in required if key not in obj]
    if unknown:
        _refuse(f"{where}: unknown key", unknown[0], f"keys {', '.join((*required, *optional))}")
    if missing:
        _refuse(f"{where}: missing key {missing[0]!r}", sorted(map(str, obj)), ", ".join(required))


def _check_name(where: str, name: object, taken: Collection[str] = ()) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in taken:
        _refuse(f"{where}: a name for folders", name, "letters, digits, dot, dash, underscore")


def _text(obj: object, where: str) -> str:
    return obj if isinstance(obj, str) else _refuse(f"{where}: wrong type", obj, "text")


def _list(obj: object, where: str, kind: Callable[..., Any]) -> list[Any]:
    right = isinstance(obj, list) and obj and all(type(one) is kind for one in obj)
    if not right or len(set(obj)) < len(obj):  # type: ignore[call-overload, arg-type]
        kinds = {int: "numbers", str: "texts"}[kind]  # type: ignore[index]
        _refuse(f"{where}: wrong list", obj, f"a list of {kinds}, each once")
    return list(obj)  # type: ignore[call-overload]
