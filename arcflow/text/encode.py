"""Encoder: a task's question and answer as token ids and labels, and answers read back."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE, Grid
from arcflow.core.task import Task
from arcflow.text import samples
from arcflow.text.chat import Conversation, chat, compact, marks
from arcflow.text.fast import (
    FastPathError,
    Skeleton,
    Units,
    UnitTable,
    learn_skeleton,
    learn_units,
    scored_spans,
)
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import OUTPUT_FROM_EXAMPLES, TaskKind, check_test_index
from arcflow.text.script import Script, make_script, overlapping, tokenise
from arcflow.text.template import PromptTemplate, placeholder

IGNORED = -100
"""The label of a token that the loss does not score."""


class FastPathWarning(UserWarning):
    """Grids cannot be looked up with this tokenizer; whole texts are tokenised instead."""


@dataclass(frozen=True)
class TextConfig:
    """How a task becomes text.

    Attributes:
        grid: the written form of grids.
        format: "compact" for markers and grids alone (small models from scratch); "chat" for
            instruct models, through the tokenizer's own chat template.
        template: a shipped template's name or the path of a Jinja file; "" takes the format's
            own ("compact-v1" or "chat-v1").
        loss: "completion" scores the answer and its stop token; "outputs" scores the outputs of
            the prompt's examples too, each with the token that ends it.
        fast: look grids up in tables where a check at the start proves that this gives the ids
            of tokenising the whole text; False always tokenises the whole text.
    """

    grid: GridText = field(default_factory=GridText)
    format: Literal["compact", "chat"] = "compact"
    template: str = ""
    loss: Literal["completion", "outputs"] = "completion"
    fast: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One training sample.

    Attributes:
        input_ids: int32, shape (L,): prompt, answer, stop token.
        labels: int32, shape (L,): the same ids where the loss scores them, else -100.
    """

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]


class Encoder:
    """Tasks to token ids, for one tokenizer, one text configuration and one kind of question.

    Args:
        tokenizer: a fast tokenizer of transformers (see `load_tokenizer`).
        config: how a task becomes text.
        kind: what is asked of a task.

    Attributes:
        fast: whether grids are looked up; False after a `FastPathWarning` or where
            ``config.fast`` is False.
        stop_ids: token ids that end an answer.

    Raises:
        ConfigError: a tokenizer or a template that cannot work; see the message.
    """

    def __init__(
        self,
        tokenizer: Any,
        config: TextConfig | None = None,
        kind: TaskKind = OUTPUT_FROM_EXAMPLES,
    ) -> None:
        self.config = config or TextConfig()
        self.kind = kind
        self._tokenizer = tokenizer
        if not getattr(tokenizer, "is_fast", False):
            raise ConfigError(
                "tokenizer: it does not report where its tokens stand in the text",
                value=type(tokenizer).__name__,
                expected="a fast tokenizer (one with a tokenizer.json)",
                next_step="Convert it to a fast tokenizer, or choose another model.",
            )
        if self.config.format not in kind.templates:
            raise ConfigError(
                "text format",
                value=self.config.format,
                expected=" or ".join(repr(name) for name in kind.templates),
                next_step="Change the text format.",
            )
        self._template = PromptTemplate(self.config.template or kind.templates[self.config.format])
        self._scripts: dict[int, Script] = {}
        self._skeletons: dict[int, Skeleton | None] = {}
        self._answer_tokens: dict[tuple[int, int], int] = {}
        self._table: UnitTable | None = None
        self._identity: dict[str, str] = {}
        self.stop_ids = self._find_stop_ids()
        self.fast = False
        if self.config.fast:
            try:
                self._prove()
            except FastPathError as error:
                self._warn(error)
        self._check_spelling()

    def example(self, task: Task, test_index: int = 0) -> Example:
        """Prompt, answer and stop token with their labels.

        Raises:
            DataError: the answer is not known, or there is no such test input.
        """
        grids = self._grids(task, test_index)
        n = len(grids) - 1
        skeleton = self._skeleton(n) if self.fast else None
        if skeleton is None:
            return self._slow_example(grids)
        assert self._table is not None
        pieces = self._fast_pieces(self._table, skeleton, grids)
        ids = np.concatenate(pieces)
        labels = np.full(len(ids), IGNORED, dtype=np.int32)
        n_answer = sum(map(len, pieces[-3:]))
        labels[-n_answer:] = ids[-n_answer:]
        if self.config.loss == "outputs":
            scored: list[NDArray[np.bool_]] = []
            for slot, output in enumerate(skeleton.outputs):
                scored.append(skeleton.scored[slot])
                scored.append(np.full(len(pieces[2 * slot + 1]), output))
            scored.append(skeleton.scored[len(skeleton.outputs)])
            where = np.flatnonzero(np.concatenate(scored))
            labels[where] = ids[where]
        labels[0] = IGNORED
        return Example(ids, labels)

    def prompt(self, task: Task, test_index: int = 0) -> NDArray[np.int32]:
        """What the model is given, shape (L,): exactly the beginning of `example`'s ids."""
        check_test_index(task, test_index)
        grids = self.kind.prompt_grids(task, test_index)
        skeleton = self._skeleton(len(grids)) if self.fast else None
        if skeleton is None:
            return np.array(self._slow_prompt(grids), dtype=np.int32)
        assert self._table is not None
        return np.concatenate(self._fast_pieces(self._table, skeleton, grids))

    def length(self, task: Task, test_index: int = 0) -> int:
        """``len(example(task, test_index).input_ids)``; by arithmetic on the fast path.

        Raises:
            DataError: as `example`.
        """
        grids = self._grids(task, test_index)
        skeleton = self._skeleton(len(grids) - 1) if self.fast else None
        if skeleton is None:
            return len(self._slow_example(grids).input_ids)
        answer = skeleton.n_answer + self._size(grids[-1])
        return self._prompt_length(skeleton, grids) + answer

    def prompt_length(self, task: Task, test_index: int = 0) -> int:
        """``len(prompt(task, test_index))``; by arithmetic on the fast path."""
        check_test_index(task, test_index)
        grids = self.kind.prompt_grids(task, test_index)
        skeleton = self._skeleton(len(grids)) if self.fast else None
        if skeleton is None:
            return len(self._slow_prompt(grids))
        return self._prompt_length(skeleton, grids)

    def max_answer_tokens(self, height: int = MAX_SIDE, width: int = MAX_SIDE) -> int:
        """The most tokens an answer of this size takes, stop token included.

        On the slow path the most over sample grids of that size.
        """
        skeleton = self._skeleton(self._smallest()) if self.fast else None
        if skeleton is not None and self._table is not None:
            return skeleton.n_answer + self._table.lengths[height][width]
        if (height, width) not in self._answer_tokens:
            answers = []
            for grid in samples.grids_of_size(height, width):
                grids = [*samples.prompt_grids(self.kind, 1), grid]
                answers.append(len(self._slow_ids(grids)) - len(self._slow_prompt(grids[:-1])))
            self._answer_tokens[(height, width)] = max(answers)
        return self._answer_tokens[(height, width)]

    def decode(self, token_ids: Sequence[int] | NDArray[Any]) -> tuple[str, Grid | None]:
        """What a model wrote: its text up to the first stop token, and the grid in it.

        Anything that is not a grid in the form asked for gives None, never an exception.
        """
        ids: list[int] = []
        for token in token_ids:
            if token in self.stop_ids:
                break
            if 0 <= token < len(self._tokenizer):
                ids.append(int(token))
        text = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text, self.kind.parse(text, self.config.grid)

    def identity(self) -> dict[str, str]:
        """What a model trained on these texts depends on; plain strings for a checkpoint."""
        if not self._identity:
            state = json.loads(self._tokenizer.backend_tokenizer.to_str())
            for transient in ("padding", "truncation"):
                state.pop(transient, None)
            written = json.dumps(state, sort_keys=True) + str(self._tokenizer.chat_template)
            self._identity = {
                "kind": self.kind.name,
                "grid_text": repr(self.config.grid),
                "format": self.config.format,
                "template": self._template.hash,
                "tokenizer": hashlib.sha256(written.encode()).hexdigest(),
            }
        return dict(self._identity)

    def text(self, task: Task, test_index: int = 0) -> str:
        """The prompt as text, for people."""
        check_test_index(task, test_index)
        return self._prompt_text(self.kind.prompt_grids(task, test_index))

    # Text

    def _grids(self, task: Task, test_index: int) -> list[Grid]:
        """The prompt's grids and the target."""
        check_test_index(task, test_index)
        target = self.kind.target(task, test_index)
        if target is None:
            raise DataError(
                f"task {task.id}, test pair {test_index}: the answer is not known",
                value=None,
                expected="a test pair with its output",
                next_step="Use prompt() for tasks without answers.",
            )
        return [*self.kind.prompt_grids(task, test_index), target]

    def _script(self, n: int) -> Script:
        """The script of a prompt with n grids."""
        if n not in self._scripts:
            self._scripts[n] = make_script(self._conversation(n), self.config.grid)
        return self._scripts[n]

    def _conversation(self, n: int) -> Conversation:
        slots = [placeholder(i) for i in range(n)]
        tokenizer, template = self._tokenizer, self._template
        shared = {
            "kind": self.kind.name,
            "mark": marks(tokenizer),
            "bos": tokenizer.bos_token or "",
            "symbols": self.config.grid.symbols,
        }
        variables = {**shared, **self.kind.variables(slots)}
        system = template.render("system", variables).strip()
        prompt = template.render("prompt", variables)
        answer = template.render(
            "answer", {**shared, "output": placeholder(n)}, default=placeholder(n)
        )
        template.require("prompt", prompt, {slots[i]: name for i, name in self.kind.required(n)})
        template.require("answer", answer, {placeholder(n): "output"})
        if self.config.format == "chat":
            return chat(tokenizer, system, prompt.strip(), answer)
        return compact(tokenizer, prompt, answer)

    def _find_stop_ids(self) -> tuple[int, ...]:
        conversation = self._conversation(self._smallest())
        ids, _ = tokenise(self._tokenizer, conversation.stop)
        stop = [ids[-1], self._tokenizer.eos_token_id]
        return tuple(dict.fromkeys(i for i in stop if i is not None))

    def _smallest(self) -> int:
        return len(samples.prompt_grids(self.kind, 1))

    # Slow path

    def _prompt_text(self, grids: Sequence[Grid]) -> str:
        written = self._script(len(grids)).write([*grids, grids[0]])
        return written.text[: written.prompt_end]

    def _slow_prompt(self, grids: Sequence[Grid]) -> list[int]:
        return tokenise(self._tokenizer, self._prompt_text(grids))[0]

    def _slow_ids(self, grids: Sequence[Grid]) -> list[int]:
        """The whole text's tokens; prompt and answer apart where they would run together."""
        written = self._script(len(grids) - 1).write(grids)
        ids, _ = tokenise(self._tokenizer, written.text)
        prompt, _ = tokenise(self._tokenizer, written.text[: written.prompt_end])
        if ids[: len(prompt)] == prompt:
            return ids
        return prompt + tokenise(self._tokenizer, written.text[written.prompt_end :])[0]

    def _slow_example(self, grids: Sequence[Grid]) -> Example:
        script = self._script(len(grids) - 1)
        written = script.write(grids)
        ids = np.array(self._slow_ids(grids), dtype=np.int32)
        labels = np.full(len(ids), IGNORED, dtype=np.int32)
        prompt, spans = tokenise(self._tokenizer, written.text[: written.prompt_end])
        labels[len(prompt) :] = ids[len(prompt) :]
        if self.config.loss == "outputs":
            outputs = self.kind.outputs(len(grids) - 1)
            hit = overlapping(spans, scored_spans(script, written, outputs))
            where = np.flatnonzero(np.array(hit, dtype=bool))
            labels[where] = ids[where]
        labels[0] = IGNORED
        return Example(ids, labels)

    # Fast path

    def _fast_pieces(
        self, table: UnitTable, skeleton: Skeleton, grids: Sequence[Grid]
    ) -> list[NDArray[np.int32]]:
        """Static pieces and grids in turn; without the answer where its grid is not given."""
        n = len(skeleton.outputs)
        pieces: list[NDArray[np.int32]] = []
        for static, place in zip(skeleton.statics[:n], skeleton.places, strict=False):
            pieces += (static, table.ids(grids[place]))
        pieces.append(skeleton.statics[n])
        answer = skeleton.places[-1]
        if len(grids) > answer:
            pieces += (skeleton.statics[-2], table.ids(grids[answer]), skeleton.statics[-1])
        return pieces

    def _size(self, grid: Grid) -> int:
        assert self._table is not None
        return self._table.lengths[grid.shape[0]][grid.shape[1]]

    def _prompt_length(self, skeleton: Skeleton, grids: Sequence[Grid]) -> int:
        return skeleton.n_prompt + sum(self._size(grids[i]) for i in skeleton.places[:-1])

    def _skeleton(self, n: int) -> Skeleton | None:
        """The skeleton of a prompt with n grids; None where this prompt needs the slow path."""
        if n not in self._skeletons:
            try:
                self._skeletons[n] = self._learn(n)
            except FastPathError as error:
                self._warn(error)
                self._skeletons[n] = None
        return self._skeletons[n]

    def _learn(self, n: int) -> Skeleton:
        script = self._script(n)
        outputs = self.kind.outputs(n)
        small, other = samples.fillings(n + 1)
        skeleton = learn_skeleton(self._tokenizer, script, small, outputs)
        assert self._table is not None
        for grids in (small, other):
            pieces = self._fast_pieces(self._table, skeleton, grids)
            if np.concatenate(pieces).tolist() != self._slow_ids(grids):
                raise FastPathError(f"a prompt of {n} grids tokenises otherwise than its pieces")
        return skeleton

    def _prove(self) -> None:
        """Learn the tables, then compare look-up with tokenising whole sample texts."""
        units: Units = {}
        n = self._smallest()
        for grids in samples.every_unit(n + 1):
            learn_units(self._tokenizer, self._script(n), grids, units)
        self._table = UnitTable(self.config.grid, units)
        for task in samples.proof_tasks():
            grids = self._grids(task, 0)
            skeleton = self._skeletons.setdefault(len(grids) - 1, self._learn(len(grids) - 1))
            assert skeleton is not None
            pieces = self._fast_pieces(self._table, skeleton, grids)
            if np.concatenate(pieces).tolist() != self._slow_ids(grids):
                raise FastPathError(f"sample task {task.id} tokenises otherwise than its pieces")
        self.fast = True

    def _warn(self, error: FastPathError) -> None:
        warnings.warn(
            f"the fast path is off: {error} (tokenizer {self._tokenizer.name_or_path!r}, format"
            f" {self.config.format!r}). Whole texts are tokenised instead, about ten times slower;"
            " a separator or another repeat in the grid text often helps.",
            FastPathWarning,
            stacklevel=3,
        )

    def _check_spelling(self) -> None:
        """Refuse a tokenizer that cannot give back a grid it was given."""
        for grid in samples.spelling_grids():
            grids = [*samples.prompt_grids(self.kind, 1), grid]
            answer = self._slow_ids(grids)[len(self._slow_prompt(grids[:-1])) :]
            text, read = self.decode(answer)
            if read is None or not np.array_equal(read, grid):
                raise ConfigError(
                    "tokenizer: a grid does not survive being tokenised and read back",
                    value=text[:60],
                    expected=f"{self.config.grid.encode(grid)[:60]!r}",
                    next_step="Choose other symbols, a separator, or another tokenizer.",
                )
