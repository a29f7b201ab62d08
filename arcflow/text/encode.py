"""The encoder of tasks as token ids and labels, which also reads answers back."""

import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, overload

import numpy as np
from numpy.typing import NDArray

from arcflow.core.errors import ConfigError, DataError
from arcflow.core.grid import MAX_SIDE, Grid
from arcflow.core.task import Task
from arcflow.text import probe_grids
from arcflow.text.cells import Cells, prompt_tokenizer
from arcflow.text.chat_template import Conversation, chat, compact, day_fingerprint, marks
from arcflow.text.fast.table_encoder import TableEncoder
from arcflow.text.fast.tables import FastPathError
from arcflow.text.grid_grammar import GridGrammar, answer_grammar
from arcflow.text.grid_text import GridText
from arcflow.text.kinds import OUTPUT_FROM_EXAMPLES, T, TaskKind, Value, check_test_index
from arcflow.text.option_checks import check_options
from arcflow.text.program_text import SafeTexts
from arcflow.text.prompt_layout import IGNORED_LABEL, PromptLayout, make_layout, tokenise
from arcflow.text.reference_encoder import ReferenceEncoder
from arcflow.text.spelling import check_spelling
from arcflow.text.template import PromptTemplate, placeholder

__all__ = ["IGNORED_LABEL", "Encoder", "Example", "FastPathWarning", "TextConfig"]


class FastPathWarning(UserWarning):
    """A warning that whole texts are tokenised because grids cannot be looked up in tables."""


@dataclass(frozen=True)
class TextConfig:
    """The options of how a task becomes text.

    Attributes:
        grid: The written form of grids.
        format: "compact" for markers and grids alone (small models from scratch); "chat" for
            instruct models, through the tokenizer's own chat template.
        template: The name of a shipped template or the path of a Jinja file; "" takes the format's
            own ("compact-v1" or "chat-v1"). A shipped name takes the wording for the kind of task.
        loss: "completion" scores the answer and its stop token; "outputs" also scores the outputs
            of the prompt's examples, each with the token that ends it.
        fast: Whether grids are looked up in tables if a check at the start proves that this gives
            the ids of tokenising the whole text; False always tokenises the whole text.
        code_tokens: The largest number of tokens of an answer that is a program, stop token
            included.
        primitives: The names that programs may use besides Python's own and numpy's; the longer
            prompts for programs list them.
        cells: "single" for one token a cell, prompt and answer alike; "tokenizer" for what the
            tokenizer makes of the text; "auto" for single cells if the tokenizer would join cells
            in one token, as those of Llama 3, gpt-oss and DeepSeek do.
    """

    grid: GridText = field(default_factory=GridText)
    format: Literal["compact", "chat"] = "compact"
    template: str = ""
    loss: Literal["completion", "outputs"] = "completion"
    fast: bool = True
    code_tokens: int = 512
    primitives: tuple[str, ...] = ()
    cells: Cells = "auto"


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A training sample.

    Attributes:
        input_ids: The ids of prompt, answer and stop token, int32 of shape (L,).
        labels: The same ids where the loss scores them, otherwise -100, int32 of shape (L,).
    """

    input_ids: NDArray[np.int32]
    labels: NDArray[np.int32]


class Encoder(Generic[T]):
    """An encoder of tasks for one tokenizer, one text configuration and one kind of task.

    Args:
        tokenizer: A fast tokenizer of transformers (see
            :func:`~arcflow.text.tokenizer.load_tokenizer`).
        config: How a task becomes text; None takes the defaults of :class:`TextConfig`.
        kind: What is asked of a task.

    Attributes:
        config: The text configuration.
        kind: The kind of task.
        stop_ids: The token ids that end an answer.
        word_ids: The token ids of each word that may be the answer, stop token included; empty
            where answers are grids or programs.

    Raises:
        ConfigError: If the tokenizer, the template or an option cannot work.
    """

    @overload
    def __init__(
        self: "Encoder[Grid]", tokenizer: Any, config: TextConfig | None = None
    ) -> None: ...
    @overload
    def __init__(self, tokenizer: Any, config: TextConfig | None, kind: TaskKind[T]) -> None: ...
    def __init__(
        self,
        tokenizer: Any,
        config: TextConfig | None = None,
        kind: TaskKind[Any] = OUTPUT_FROM_EXAMPLES,
    ) -> None:
        self.config = config or TextConfig()
        self.kind: TaskKind[T] = kind
        self._tokenizer = tokenizer
        c = self.config
        check_options(tokenizer, kind, c.format, c.loss, c.cells, c.code_tokens)
        name = self.config.template or kind.templates[self.config.format]
        self._template = PromptTemplate(name, kind)
        self._safe = SafeTexts(tokenizer)
        self._layouts: dict[int, PromptLayout] = {}
        self._fingerprint: dict[str, str] = {}
        sizes = probe_grids.sizes(kind)
        texts = kind.texts(sizes[0])
        self._has_programs = bool(texts) and not kind.words
        self._writes_text = sizes[0] in texts
        self.stop_ids = self._find_stop_ids(sizes[0])
        tokenise_prompt = prompt_tokenizer(tokenizer, self.config.grid, self.config.cells)
        self._single_cells = tokenise_prompt.single
        self._whole = ReferenceEncoder(tokenise_prompt, self._layout, kind, sizes[0])
        self.word_ids = self._whole.word_ids()
        check_spelling(
            tokenizer.name_or_path, self._whole, self.decode, kind, c.grid, self._safe, sizes[0]
        )
        self._lookup: TableEncoder | None = None
        if self.config.fast:
            form = self.config.grid
            try:
                self._lookup = TableEncoder(
                    tokenise_prompt, form, self._layout, kind, self._whole, sizes, self._warn
                )
            except FastPathError as error:
                self._warn(error)

    @property
    def fast(self) -> bool:
        """Whether values are looked up in tables instead of tokenising whole texts."""
        return self._lookup is not None

    def example(self, task: Task, test_index: int = 0) -> Example:
        """Return prompt, answer and stop token with their labels.

        Args:
            task: The task, with its answer.
            test_index: The index of the test pair that is asked about.

        Returns:
            The sample.

        Raises:
            DataError: If the answer is not known, if there is no such test input, or if the task
                lacks what the kind shows.
        """
        values = self._values(task, test_index)
        ids, labels = self._path(values, len(values) - 1).example(
            values, score_outputs=self.config.loss == "outputs"
        )
        labels[0] = IGNORED_LABEL
        return Example(ids, labels)

    def prompt(self, task: Task, test_index: int = 0) -> NDArray[np.int32]:
        """Return the ids that the model is given.

        They are exactly the beginning of the ids of :meth:`example`.

        Args:
            task: The task, with or without answers.
            test_index: The index of the test input that is asked about.

        Returns:
            The ids, int32 of shape (L,).

        Raises:
            DataError: If there is no such test input, or if the task lacks what the kind shows.
        """
        values = self._prompt_values(task, test_index)
        return self._path(values, len(values)).prompt(values)

    def length(self, task: Task, test_index: int = 0) -> int:
        """Return the number of ids of :meth:`example`; the fast path computes it without the ids.

        Args:
            task: The task, with its answer.
            test_index: The index of the test pair that is asked about.

        Returns:
            The number of tokens.

        Raises:
            DataError: If :meth:`example` would raise it.
        """
        values = self._values(task, test_index)
        return self._path(values, len(values) - 1).length(values)

    def prompt_length(self, task: Task, test_index: int = 0) -> int:
        """Return the number of ids of :meth:`prompt`; the fast path computes it without the ids.

        Args:
            task: The task, with or without answers.
            test_index: The index of the test input that is asked about.

        Returns:
            The number of tokens.

        Raises:
            DataError: If :meth:`prompt` would raise it.
        """
        values = self._prompt_values(task, test_index)
        return self._path(values, len(values)).prompt_length(values)

    def max_answer_tokens(self, height: int = MAX_SIDE, width: int = MAX_SIDE) -> int:
        """Return the largest number of tokens of an answer of a size, stop token included.

        On the slow path this is an estimate: the longest of some sample answers and a quarter more.
        A program has no size; its largest length is an option of the configuration. A word has as
        many tokens as the longest that may be the answer.

        Args:
            height: The height of the answer in cells.
            width: The width of the answer in cells.

        Returns:
            The number of tokens.
        """
        if self.word_ids:
            return max(map(len, self.word_ids.values()))
        if self._writes_text:
            return self.config.code_tokens
        return (self._lookup or self._whole).answer_tokens(height, width)

    def text(self, task: Task, test_index: int = 0) -> str:
        """Return the prompt as text, for people to read.

        Args:
            task: The task, with or without answers.
            test_index: The index of the test input that is asked about.

        Returns:
            The text that :meth:`prompt` gives as ids.

        Raises:
            DataError: If :meth:`prompt` would raise it.
        """
        return self._whole.prompt_text(self._prompt_values(task, test_index))

    def decode(self, token_ids: Sequence[int] | NDArray[Any]) -> tuple[str, T | None]:
        """Read what a model wrote; nothing is raised.

        Args:
            token_ids: The ids that the model wrote, shape (L,).

        Returns:
            The text up to the first stop token, and the answer in it: a grid or, depending on the
            kind, a program's text or a word. The answer is None if it is not a grid in the
            expected form, not one of the words, or no text at all.
        """
        ids: list[int] = []
        size = len(self._tokenizer)
        for token in token_ids:
            if token in self.stop_ids:
                break
            if 0 <= token < size:
                ids.append(int(token))
        text = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        return text, self.kind.parse(text, self.config.grid)

    def grammar(self) -> GridGrammar:
        """Return which token sequences are answers that are grids.

        Returns:
            The grammar of an answer, without the token that ends it.

        Raises:
            ConfigError: If answers of this kind are programs or words.
        """
        if self._writes_text:
            raise ConfigError(
                "grammar: answers of this task kind are no grids",
                value=self.kind.name,
                expected="a kind whose answer is a grid",
                next_step="Leave the grammar out.",
            )
        n = probe_grids.sizes(self.kind)[0]
        stop = self._conversation(n).stop
        return answer_grammar(self._tokenizer, self.config.grid, self._layout(n), stop)

    def fingerprint(self) -> dict[str, str]:
        """Return what a model trained on these texts depends on, as plain strings by name."""
        if not self._fingerprint:
            state = json.loads(self._tokenizer.backend_tokenizer.to_str())
            for transient in ("padding", "truncation"):
                state.pop(transient, None)
            written = json.dumps(state, sort_keys=True) + str(self._tokenizer.chat_template)
            self._fingerprint = {
                "kind": self.kind.name,
                "grid_text": repr(self.config.grid),
                "format": self.config.format,
                "template": self._template.hash,
                "tokenizer": hashlib.sha256(written.encode()).hexdigest(),
            }
            if self._has_programs:
                self._fingerprint["primitives"] = " ".join(self.config.primitives)
            if self._single_cells:
                self._fingerprint["cells"] = "single"
            if self.config.format == "chat":
                self._fingerprint |= day_fingerprint(self._tokenizer)
        return dict(self._fingerprint)

    def _path(self, values: Sequence[Value], n: int) -> TableEncoder | ReferenceEncoder:
        """Return the encoder for values, of which n belong to the prompt."""
        lookup = self._lookup
        return lookup if lookup is not None and lookup.fits(values, n) else self._whole

    def _prompt_values(self, task: Task, test_index: int) -> list[Value]:
        check_test_index(task, test_index)
        values = self.kind.prompt_values(task, test_index)
        return [self._safe(v).text if isinstance(v, str) else v for v in values]

    def _values(self, task: Task, test_index: int) -> list[Value]:
        """Return the values of the prompt and the target."""
        values = self._prompt_values(task, test_index)
        target = self.kind.target(task, test_index)
        if target is None:
            raise DataError(
                f"task {task.id}, test pair {test_index}: the answer is not known",
                value=None,
                expected="a test pair with its output",
                next_step="Use prompt() for tasks without answers.",
            )
        if not isinstance(target, str) or self.kind.words:
            return [*values, target]
        safe = self._safe(target)
        if safe.unknown:
            raise DataError(
                f"task {task.id}: its program has characters that the tokenizer does not know",
                value=safe.unknown,
                expected="a program in the tokenizer's characters",
                next_step="Write the program in ASCII, or choose another tokenizer.",
            )
        return [*values, safe.text]

    def _layout(self, n: int) -> PromptLayout:
        """Return the layout of a prompt with n values."""
        if n not in self._layouts:
            texts = self.kind.texts(n)
            self._layouts[n] = make_layout(self._conversation(n), self.config.grid, texts)
        return self._layouts[n]

    def _conversation(self, n: int) -> Conversation:
        slots = [placeholder(i) for i in range(n)]
        tokenizer, template = self._tokenizer, self._template
        shared: dict[str, object] = {
            "kind": self.kind.name,
            "mark": marks(tokenizer),
            "bos": tokenizer.bos_token or "",
            "symbols": self.config.grid.symbols,
        }
        if self._has_programs:
            shared["primitives"] = self.config.primitives
        variables = {**shared, **self.kind.variables(slots)}
        system = template.render("system", variables).strip()
        prompt = template.render("prompt", variables)
        target = placeholder(n)
        answer = template.render("answer", {**shared, "output": target}, default=target)
        required = self.kind.required(n).items()
        template.require("prompt", prompt, {slots[i]: name for i, name in required})
        template.require("answer", answer, {target: "output"})
        if self.config.format == "chat":
            return chat(tokenizer, system, prompt.strip(), answer)
        return compact(tokenizer, prompt, answer, text=self._writes_text)

    def _find_stop_ids(self, n: int) -> tuple[int, ...]:
        ids, _ = tokenise(self._tokenizer, self._conversation(n).stop)
        stop = [ids[-1], self._tokenizer.eos_token_id]
        return tuple(dict.fromkeys(i for i in stop if i is not None))

    def _warn(self, error: FastPathError) -> None:
        warnings.warn(
            f"the fast path is off: {error} (tokenizer {self._tokenizer.name_or_path!r}, format"
            f" {self.config.format!r}). Whole texts are tokenised instead, far slower;"
            " a separator or another repeat in the grid text often helps.",
            FastPathWarning,
            stacklevel=3,
        )
