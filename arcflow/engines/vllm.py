"""Answers from vLLM, which lives in a process of its own: a hang or a crash costs no run."""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.core.seeds import derive
from arcflow.engines.base import Answers, Completion, Request, SamplingParams, check_sampling
from arcflow.engines.vllm_options import (
    VLLMConfig,
    check_installed,
    check_options,
    check_servable,
    environment,
    llm_options,
    on_cpu,
)
from arcflow.engines.vllm_process import VLLMProcess, WorkerError

__all__ = ["VLLMConfig", "VLLMEngine", "check_servable"]

START_SECONDS = 1800.0
"""Longest start of the engine: loading, compiling, perhaps a download."""

_GRACE_SECONDS = 15.0
"""How long after its time limit a batch's last engine step may take."""

_LATE = "the time limit was reached"


@dataclass(eq=False)
class _Submitted:
    """What one ``submit`` asked for, and what has been answered of it."""

    requests: Sequence[Request]
    sampling: SamplingParams
    stop_at: float | None
    under_way: bool = False
    answers: dict[tuple[int, int], Completion] = field(default_factory=dict)
    reason: str = _LATE

    @property
    def samples(self) -> int:
        """Different completions of a request: greedy ones are all equal."""
        return self.sampling.n if self.sampling.temperature > 0 else 1

    @property
    def seconds(self) -> float | None:
        """Time that is left of the caller's limit; None without one."""
        return None if self.stop_at is None else self.stop_at - time.monotonic()

    @property
    def expired(self) -> bool:
        """Whether the caller's time limit is over."""
        return self.seconds is not None and self.seconds <= 0

    def missing(self) -> list[tuple[int, int]]:
        """(request number, sample number) of what has no answer yet."""
        rows = itertools.product(range(len(self.requests)), range(self.samples))
        return [row for row in rows if row not in self.answers]

    def collect(self) -> Answers:
        """Every completion; a reason where there is none."""
        known = dict(self.answers)
        none = Completion((), 0.0, 0, finished=False, error=self.reason)
        return [
            [known.get((i, k % self.samples), none) for k in range(self.sampling.n)]
            for i in range(len(self.requests))
        ]


class VLLMEngine:
    """Completes prompts with vLLM in a child process that is watched.

    The engine starts with the object and stays for the whole run. Where it hangs (no sign of
    life for ``config.stall_seconds``, or a batch that takes longer than ``config.batch_seconds``)
    or crashes, it is killed and started again, and what was not answered yet is asked for
    once more; a second failure leaves those requests unanswered, with the reason. Rows with and
    without an adapter are never in one batch (see :mod:`arcflow.engines.vllm_worker`).

    Args:
        model: a folder or a hub name that vLLM loads.
        config: how it runs.
        max_tokens: longest prompt and answer together, in tokens.
        max_rank: largest rank of an adapter; 0 serves none.
        max_adapters: different adapters in one batch; more than that wait for each other.

    Raises:
        ConfigError: vLLM is not installed, numbers out of range, or (on a GPU; elsewhere from
            the first answers) vLLM does not start.
    """

    def __init__(
        self,
        model: str | Path,
        config: VLLMConfig,
        max_tokens: int,
        max_rank: int = 0,
        max_adapters: int = 1,
    ) -> None:
        check_options(config, max_tokens, max_rank, max_adapters)
        check_installed()
        self.config, self.max_tokens, self.max_rank = config, max_tokens, max_rank
        cpu = on_cpu()
        self.in_background = cpu or config.gpu is not None
        self._options = llm_options(str(model), config, max_tokens, max_rank, max_adapters)
        self._environment = environment(str(model), config)
        self._worker: VLLMProcess | None = None
        self._started_once = False
        self._never_started: ConfigError | None = None
        self._closed = False
        self._lock = threading.Lock()  # between close() and the start of a worker
        self._adapters: dict[tuple[int, str], int] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # One thread for the engine's whole life: the worker dies with the thread that made it.
        self._thread = threading.Thread(target=self._serve, name="vllm", daemon=True)
        self._thread.start()
        started = self._run(self._running)
        if not self.in_background:
            # vLLM measures the memory that is free while it starts: nobody else may work now.
            started.result()
            self.sleep()

    @property
    def pid(self) -> int | None:
        """Process id of the engine; None where none runs."""
        worker = self._worker
        return worker.pid if worker is not None and worker.alive else None

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Begin to complete every request ``sampling.n`` times.

        Args:
            requests: prompts; adapters need a ``path``.
            sampling: with temperature 0 the n completions of a request are equal and are
                computed once.
            seconds: time limit; what is not complete by then comes back unfinished.

        Returns:
            A function that waits for the answers; it raises ConfigError where vLLM never started.

        Raises:
            ConfigError: sampling options out of range, prompts that are too long, adapters that
                vLLM cannot serve.
        """
        check_sampling(requests, sampling)
        self._check_requests(requests)
        stop_at = None if seconds is None else time.monotonic() + seconds
        batch = _Submitted(tuple(requests), sampling, stop_at)
        done = self._run(partial(self._answer, batch))

        def wait() -> Answers:
            with suppress(FutureTimeout):
                done.result(None if batch.seconds is None else max(0.0, batch.seconds))
            if batch.under_way:
                # The process ends by itself in a moment; a start is not worth waiting for.
                done.result()
            return batch.collect()

        if self.in_background:
            return wait
        answers = wait()
        return lambda: answers

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """:meth:`submit` and wait."""
        return self.submit(requests, sampling, seconds)()

    def sleep(self) -> None:
        """On a GPU that it shares: give the memory back until the next :meth:`submit`."""
        if not self.in_background:
            self._run(self._rest).result()

    def close(self) -> None:
        """End the process; nothing can be submitted afterwards."""
        with self._lock:
            self._closed = True
            worker = self._worker
            if worker is not None:
                worker.kill()
        self._jobs.put(None)
        self._thread.join()

    def _check_requests(self, requests: Sequence[Request]) -> None:
        for i, request in enumerate(requests):
            if len(request.prompt_ids) >= self.max_tokens:
                raise ConfigError(
                    f"request {i}: the prompt leaves no room for an answer",
                    value=f"{len(request.prompt_ids)} tokens",
                    expected=f"fewer than {self.max_tokens}, prompt and answer together",
                    next_step="Raise data.max_tokens, or leave train pairs out.",
                )
            ref = request.adapter
            if ref is None:
                continue
            what, value, expected = f"request {i}: vLLM cannot serve its adapter", "", ""
            if ref.kind == "weights":
                value, expected = "all weights", "a low-rank adapter"
            elif ref.path is None:
                value, expected = "an adapter without a folder", "one written to a folder"
            elif self.max_rank == 0:
                value, expected = f"adapter {ref.id}", "an engine made with max_rank"
            if expected:
                raise ConfigError(
                    what,
                    value=value,
                    expected=expected,
                    next_step="Tune a low-rank adapter, or set pass_n.engine to transformers.",
                )

    # What follows runs in the engine's own thread.

    def _run(self, work: Callable[[], Any]) -> "Future[Any]":
        """Hand work to the thread; its result, or its error, comes with the future."""
        if self._closed:
            raise RuntimeError("the engine is closed")
        future: Future[Any] = Future()

        def job() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 (whoever waits gets it)
                future.set_exception(error)

        self._jobs.put(job)
        return future

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._drop()

    def _running(self) -> VLLMProcess:
        """The engine's process, started where it has to be.

        Raises:
            ConfigError: the first start failed; it is not tried again.
            WorkerError: a later one does.
        """
        if self._worker is not None and self._worker.alive:
            return self._worker
        if self._never_started is not None:
            raise self._never_started
        self._drop()
        with self._lock:
            if self._closed:
                raise RuntimeError("the engine is closed")
            worker = self._worker = VLLMProcess(self._environment)
        try:
            worker.send({"start": self._options}, START_SECONDS)
            worker.receive(START_SECONDS)
        except (WorkerError, TimeoutError) as failure:
            self._drop()
            if self._started_once or self._closed:
                raise WorkerError(f"it did not start again: {failure}") from failure
            self._never_started = ConfigError(
                f"vLLM does not start ({str(failure) or 'no answer'})",
                value=self._options["model"],
                expected="a model and options that vLLM accepts",
                next_step="Correct the options under pass_n.vllm, "
                "or set pass_n.engine to transformers.",
            )
            raise self._never_started from failure
        self._started_once = True
        return worker

    def _drop(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.release()

    def _answer(self, batch: _Submitted) -> None:
        reasons: list[str] = []
        while batch.missing() and not batch.expired and len(reasons) < 2:
            try:
                worker = self._running()
                batch.under_way = True
                self._converse(worker, batch)
            except WorkerError as failure:
                batch.under_way = False
                reasons.append(str(failure))
                self._drop()
        if len(reasons) == 2:
            batch.reason = f"vLLM failed twice: {reasons[0]}; then: {reasons[1]}"
        batch.under_way = False

    def _converse(self, worker: VLLMProcess, batch: _Submitted) -> None:
        """Ask for what is missing and file the answers as they come."""
        config, left = self.config, batch.seconds
        limit = config.batch_seconds
        if left is not None:
            limit = min(limit, left + _GRACE_SECONDS)
        stop_at = time.monotonic() + limit
        try:
            worker.send({"batch": self._message(batch)}, min(limit, config.stall_seconds))
            while True:
                seconds = min(stop_at - time.monotonic(), config.stall_seconds)
                if seconds <= 0:
                    raise TimeoutError
                message = worker.receive(seconds)
                if "answer" in message:
                    answer = message["answer"]
                    number, sample = answer.pop("row")
                    answer["token_ids"] = tuple(answer["token_ids"])
                    batch.answers[number, sample] = Completion(**answer)
                elif "done" in message:
                    return
        except TimeoutError as error:
            if time.monotonic() >= stop_at:
                raise WorkerError(f"the batch was not complete within {limit:g} s") from error
            raise WorkerError(f"no sign of life for {config.stall_seconds:g} s") from error

    def _message(self, batch: _Submitted) -> dict[str, Any]:
        """What is missing of the batch, as plain data."""
        sampling = batch.sampling
        rows, adapters = [], {}
        prompts: dict[tuple[int, ...], int] = {}
        for number, sample in batch.missing():
            request = batch.requests[number]
            ref, adapter = request.adapter, None
            if ref is not None:
                key = (ref.id, str(Path(str(ref.path)).absolute()))
                # vLLM serves an old adapter under an id it has seen: a number for each folder.
                adapter = self._adapters.setdefault(key, len(self._adapters) + 1)
                adapters[adapter] = key[1]
            longest = request.max_tokens or sampling.max_tokens
            rows.append(
                {
                    "row": [number, sample],
                    "prompt": prompts.setdefault(request.prompt_ids, len(prompts)),
                    "adapter": adapter,
                    "seed": derive(request.seed, "sample", sample),
                    "max_tokens": min(longest, self.max_tokens - len(request.prompt_ids)),
                }
            )
        return {
            "rows": rows,
            "prompts": list(prompts),
            "adapters": list(adapters.items()),
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop_ids": list(sampling.stop_ids),
            "seconds": batch.seconds,
        }

    def _rest(self) -> None:
        """Put the process to sleep; where that fails it is ended, which frees the memory too."""
        if self._worker is None or not self._worker.alive:
            return
        try:
            self._worker.send({"rest": True}, self.config.stall_seconds)
            self._worker.receive(self.config.stall_seconds)
        except (WorkerError, TimeoutError):
            self._drop()
