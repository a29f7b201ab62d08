"""The plan of a study: for each row, seed and stage one command line in a folder of its own.

The last stage of a row, which measures, runs in ``rows/ROW/seed-S``. Earlier ones run in
``stages/STAGE-KEY/seed-S``, where the key is made of the resolved arguments: rows that have the
same fit share it. A row with a ``start`` has that stage's run before its own first fit.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from arcflow.core.errors import ConfigError
from arcflow.core.yaml_text import ID_KEYS, prepare_yaml, quote_ids
from arcflow.studies.option_tree import copied, flat, get, put
from arcflow.studies.spec import Study, StudyRow, StudyStage

_FACTOR = re.compile(r"x(\d+(?:\.\d+)?)")
_OWN = ("seed_everything", "trainer.default_root_dir", "ckpt_path")
"""The options that the study itself sets."""
_START = "model.start_from"


@dataclass(frozen=True)
class Setting:
    """An option from the command line, for one stage or, if ``stage`` is empty, for all."""

    stage: str
    option: str
    value: Any


@dataclass(frozen=True, eq=False)
class StudyRun:
    """One child process of a study.

    Attributes:
        name: The name to show.
        stage: The stage that the run belongs to.
        seed: The seed of everything in the run.
        arguments: All options that the result depends on, as far as files and study set them.
        options: Those of the arguments that are not in the configs.
        folder: The run's ``trainer.default_root_dir``.
        parent: The run whose last checkpoint this one evaluates, or whose trained weights it starts
            from; None if there is none.
    """

    name: str
    stage: StudyStage
    seed: int
    arguments: Mapping[str, Any]
    options: Mapping[str, Any]
    folder: Path
    parent: "StudyRun | None"

    @property
    def checkpoint(self) -> Path:
        """The path of a fit's last checkpoint."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def results(self) -> Path:
        """The path of the results of a stage that measures."""
        return self.folder / f"{self.stage.command}.results.json"

    @property
    def output(self) -> Path:
        """The file that exists when the run has done its work."""
        return self.checkpoint if self.stage.command == "fit" else self.results

    def words(self) -> list[str]:
        """Return the words after ``arcflow``; a fit that has a checkpoint resumes from it."""
        given = [f"--{name}={_word(value)}" for name, value in self.options.items()]
        words = [self.stage.command]
        for config in self.stage.configs:
            words += ["-c", str(config)]
        words += [*given, f"--seed_everything={self.seed}"]
        words.append(f"--trainer.default_root_dir={self.folder}")
        fit = self.stage.command == "fit"
        if fit and self.checkpoint.is_file():
            # The checkpoint has all trained weights, so those to start from are not loaded again.
            started = self.parent is not None or self.arguments.get(_START) is not None
            words += [f"--{_START}=null"] * started + ["--ckpt_path=last"]
        elif self.parent is not None:
            words.append(f"--{_START if fit else 'ckpt_path'}={self.parent.checkpoint}")
        return words


def parse_settings(study: Study, words: Sequence[str]) -> list[Setting]:
    """Return the settings of ``--set``: ``option=value``, or ``stage.option=value`` for one stage.

    Args:
        study: The study, whose stages' names may come first.
        words: The words that were given.

    Raises:
        ConfigError: A word has no ``=``, or its value is not YAML.
    """
    settings = []
    for word in words:
        option, equals, text = word.partition("=")
        first, _, rest = option.partition(".")
        stage = first if rest and first in [stage.name for stage in study.stages] else ""
        try:
            is_ids = option.removesuffix("+").rpartition(".")[2] in ID_KEYS
            value = yaml.safe_load(quote_ids(text) if is_ids else prepare_yaml(text))
        except yaml.YAMLError:
            equals = ""
        if not option or not equals:
            raise ConfigError(
                "--set: not an option and its value",
                value=word,
                expected="option=value, the option as in `arcflow validate --help`",
                next_step="Write for example --set pass_n.answer.views=8.",
            )
        settings.append(Setting(stage, rest if stage else option, value))
    return settings


def plan(
    study: Study, output: Path, seeds: Sequence[int], settings: Sequence[Setting] = ()
) -> dict[tuple[str, int], StudyRun]:
    """Return the measuring run of each row and seed; ``parent`` leads to what must run before it.

    The rows of one seed come before those of the next, so that a first whole table is there early.

    Args:
        study: The study.
        output: The folder of the study.
        seeds: The seeds of each row.
        settings: Options from the command line, which a row's own options override.

    Raises:
        ConfigError: An option is the study's own, a factor multiplies what is no number, or a row
            changes nothing.
    """
    for row in study.rows:
        _check_changes(study, row)
    made: dict[Path, StudyRun] = {}
    return {
        (row.name, seed): _runs(study, row, seed, output, settings, made)
        for seed in seeds
        for row in study.rows
    }


def _runs(
    study: Study,
    row: StudyRow,
    seed: int,
    output: Path,
    settings: Sequence[Setting],
    made: dict[Path, StudyRun],
) -> StudyRun:
    runs: dict[str, StudyRun] = {}
    start = row.start
    for stage in study.stages_of(row):
        arguments, options = _arguments(stage, row, settings)
        parent = runs.get(stage.checkpoint)
        if parent is not None:
            arguments["checkpoint"] = parent.folder.parent.name
        elif stage.command == "fit" and start in runs:
            parent, start = runs[start], ""
            if arguments.get(_START) is not None:
                raise _two_starts(row, stage, arguments[_START])
            arguments["start"] = parent.folder.parent.name
        last = stage is study.stages[-1]
        if last:
            folder = output / "rows" / row.name / f"seed-{seed}"
        else:
            folder = output / "stages" / f"{stage.name}-{_key(arguments)}" / f"seed-{seed}"
        name = f"{row.name if last else stage.name} seed {seed}"
        run = StudyRun(name, stage, seed, arguments, options, folder, parent)
        runs[stage.name] = made.setdefault(folder, run)
    return runs[study.stages[-1].name]


def _arguments(
    stage: StudyStage, row: StudyRow, settings: Sequence[Setting]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return all that the stage's result depends on, and the part that is not in its configs."""
    tree = copied(stage.tree)
    given = {s.option: s.value for s in settings if s.stage in ("", stage.name)}
    options: dict[str, Any] = {}
    for source in (stage.options, given, row.options.get(stage.name, {})):
        for option, value in source.items():
            if option in _OWN:
                raise ConfigError(
                    f"stage {stage.name}: the study itself gives this option",
                    value=option,
                    expected="any other option",
                    next_step="Use seeds, --output and a stage's checkpoint.",
                )
            options[option] = _resolved(tree, option, value, f"row {row.name}")
            put(tree, option, options[option])
    known = {name: value for name, value in flat(tree).items() if name not in _OWN}
    return {"command": stage.command, **known}, options


def _check_changes(study: Study, row: StudyRow) -> None:
    """Refuse a row whose options equal those of the stages; one row without options is allowed."""
    if row.start:
        return
    if not row.changes:
        twins = [r.name for r in study.rows if r is not row and not r.changes]
        if not twins:
            return
        raise _no_change(row, f"rows {row.name} and {twins[0]} both set nothing")
    plain = replace(row, options={})
    if all(_arguments(s, row, ())[0] == _arguments(s, plain, ())[0] for s in study.stages):
        raise _no_change(row, {name: dict(options) for name, options in row.options.items()})


def _two_starts(row: StudyRow, stage: StudyStage, value: object) -> ConfigError:
    return ConfigError(
        f"row {row.name} starts from stage {row.start}, and stage {stage.name} from elsewhere",
        value=f"{_START}: {value}",
        expected="one of the two",
        next_step=f"Remove the row's start, or {_START} from the stage's configs.",
    )


def _no_change(row: StudyRow, value: object) -> ConfigError:
    return ConfigError(
        f"row {row.name} changes nothing",
        value=value,
        expected="an option that the stages set otherwise, or one row without options as reference",
        next_step="Correct or remove the row.",
    )


def _resolved(tree: Mapping[str, Any], option: str, value: Any, where: str) -> Any:
    """Return a factor such as ``x2`` times the configured value, or ``value`` itself."""
    factor = _FACTOR.fullmatch(value) if isinstance(value, str) else None
    if factor is None:
        return value
    found = get(tree, option)
    try:
        base = found if isinstance(found, int) else float(found)
    except (TypeError, ValueError):
        raise ConfigError(
            f"{where}, {option}: a factor of what is no number",
            value=found,
            expected=f"a number in the stage's configs, for {value} to multiply",
            next_step="Give the value itself.",
        ) from None
    # Rounding to fifteen digits makes 0.003 times 0.3 equal 0.0009.
    scaled = float(f"{base * float(factor[1]):.15g}")
    return round(scaled) if isinstance(base, int) else scaled


def _key(arguments: Mapping[str, Any]) -> str:
    text = json.dumps(arguments, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _word(value: Any) -> str:
    """Return a value as the command line takes it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, default=str)
