"""An engine on vLLM, which runs in a process of its own: its hangs and crashes end no run."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from arcflow.core.errors import ConfigError
from arcflow.engines.base import (
    Answers,
    Completion,
    Request,
    SamplingParams,
    ScoreRequest,
    check_sampling,
    check_scoring,
)
from arcflow.engines.served_adapters import check_folder
from arcflow.engines.vllm_batch import SubmittedBatch
from arcflow.engines.vllm_options import (
    VLLMConfig,
    check_head_size,
    check_installed,
    check_options,
    check_servable,
    environment,
    llm_options,
    on_cpu,
)
from arcflow.engines.vllm_process import VLLMProcess, WorkerError

__all__ = ["VLLMConfig", "VLLMEngine", "check_head_size", "check_servable"]

START_SECONDS = 1800.0
"""The longest time for the engine's start: loading, compiling, perhaps a download."""

_GRACE_SECONDS = 15.0
"""How long after a batch's time limit its last engine step may end."""


class VLLMEngine:
    """An engine that runs vLLM in a child process and watches it.

    The process starts with the object and stays for the whole run. If it hangs (no sign of life
    for ``config.stall_seconds``, or a batch that takes longer than ``config.batch_seconds``) or
    crashes, it is killed and started again, and the missing answers are requested once more. A
    second failure leaves those requests unanswered, with the reason.

    Args:
        model: A folder or a hub name that vLLM loads.
        config: The options of vLLM.
        max_tokens: The longest prompt and answer together, in tokens.
        max_rank: The largest rank of an adapter; 0 serves no adapters.
        max_adapters: The number of different adapters in one batch; further ones wait.

    Attributes:
        in_background: Whether answers are written while the caller computes something else: on
            the CPU, and on a GPU that vLLM has for itself.

    Raises:
        ConfigError: If vLLM is not installed, if a number is out of range, or (only if it shares
            the trainer's GPU; otherwise the first answers raise it) if vLLM does not start.
    """

    can_search = False

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
        self._checked: set[Path] = set()
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # One thread for the engine's whole life, since the worker dies with the thread that
        # started it.
        self._thread = threading.Thread(target=self._serve, name="vllm", daemon=True)
        self._thread.start()
        started = self._run(self._running)
        if not self.in_background:
            # vLLM measures the free memory while it starts: nothing else may use the GPU now.
            started.result()
            self.sleep()

    @property
    def pid(self) -> int | None:
        """The process id of vLLM; None if it does not run."""
        worker = self._worker
        return worker.pid if worker is not None and worker.alive else None

    def submit(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Callable[[], Answers]:
        """Begin to complete every request ``sampling.n`` times.

        Args:
            requests: The prompts; their adapters need a ``path``.
            sampling: The parameters of sampling; with temperature 0 the n completions of a
                request are equal and are computed once.
            seconds: A time limit in seconds, or None; what is not complete by then comes back
                unfinished.

        Returns:
            A function that waits for the answers and returns them; it raises ConfigError if vLLM
            never started.

        Raises:
            ConfigError: If a sampling parameter is out of range, if a prompt is empty or too long,
                or if vLLM cannot serve an adapter.
        """
        check_sampling(requests, sampling)
        self._check_requests(requests, 1)
        wait = self._submit(tuple(requests), sampling, seconds)
        if self.in_background:
            return wait
        answers = wait()
        return lambda: answers

    def score(self, requests: Sequence[ScoreRequest], seconds: float | None = None) -> Answers:
        """Return the log-probability of every given completion, by vLLM's ``prompt_logprobs``.

        vLLM reads no cached prompt where it gives log-probabilities of one, so each completion
        costs its whole prompt.

        Args:
            requests: The prompts with their completions; their adapters need a ``path``.
            seconds: A time limit in seconds, or None; what is not scored by then comes back with
                an ``error``.

        Returns:
            The completions of each request with their log-probabilities, in their order.

        Raises:
            ConfigError: If a prompt or a completion is empty, if both together are too long, or if
                vLLM cannot serve an adapter or never started.
        """
        check_scoring(requests)
        self._check_requests(requests, 0)
        return self._submit(tuple(requests), SamplingParams(), seconds)()

    def _submit(
        self,
        requests: Sequence[Request | ScoreRequest],
        sampling: SamplingParams,
        seconds: float | None,
    ) -> Callable[[], Answers]:
        stop_at = None if seconds is None else time.monotonic() + seconds
        batch = SubmittedBatch(requests, sampling, stop_at)
        done = self._run(partial(self._answer, batch))

        def wait() -> Answers:
            with suppress(FutureTimeout):
                done.result(None if batch.seconds is None else max(0.0, batch.seconds))
            if batch.under_way:
                # The worker has this limit too and ends in a moment. If it has yet to start,
                # the answers cannot come in time, and nothing is waited for.
                done.result()
            return batch.collect()

        return wait

    def generate(
        self, requests: Sequence[Request], sampling: SamplingParams, seconds: float | None = None
    ) -> Answers:
        """Complete every request ``sampling.n`` times and return the answers.

        It takes the arguments of :meth:`submit` and raises what that and its result raise.
        """
        return self.submit(requests, sampling, seconds)()

    def sleep(self) -> None:
        """Give the memory of a GPU that is shared back until the next :meth:`submit`."""
        if not self.in_background:
            self._run(self._put_to_sleep).result()

    def close(self) -> None:
        """End the process; nothing can be submitted afterwards."""
        with self._lock:
            self._closed = True
            worker = self._worker
            if worker is not None:
                worker.kill()
        self._jobs.put(None)
        self._thread.join()

    def _check_requests(self, requests: Sequence[Request | ScoreRequest], room: int) -> None:
        """Refuse requests that vLLM cannot serve; ``room`` tokens must be left behind a text."""
        for i, request in enumerate(requests):
            length = len(request.prompt_ids) + room
            if isinstance(request, ScoreRequest):
                length += max(map(len, request.completions), default=0)
            if length > self.max_tokens:
                raise ConfigError(
                    f"request {i}: the prompt leaves no room for an answer",
                    value=f"{length - room} tokens",
                    expected=f"at most {self.max_tokens - room}, of {self.max_tokens} in all",
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
            if ref.path is not None and ref.path not in self._checked:
                check_folder(ref.path)
                self._checked.add(ref.path)

    def _run(self, work: Callable[[], Any]) -> "Future[Any]":
        """Hand work to the engine's thread; the future has its result or its error."""
        if self._closed:
            raise RuntimeError("the engine is closed")
        future: Future[Any] = Future()

        def job() -> None:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 (raised where the future is read)
                future.set_exception(error)

        self._jobs.put(job)
        return future

    # The methods that follow run in the engine's own thread.

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
        self._drop()

    def _running(self) -> VLLMProcess:
        """Return vLLM's process, started if none is running.

        Raises:
            ConfigError: If the first start fails; it is not tried again.
            WorkerError: If a later start fails.
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

    def _answer(self, batch: SubmittedBatch) -> None:
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

    def _converse(self, worker: VLLMProcess, batch: SubmittedBatch) -> None:
        """Request the missing completions and store the answers as they come."""
        config, left = self.config, batch.seconds
        limit = config.batch_seconds
        if left is not None:
            limit = min(limit, left + _GRACE_SECONDS)
        stop_at = time.monotonic() + limit
        try:
            message = batch.message(self._adapters, self.max_tokens)
            worker.send({"batch": message}, min(limit, config.stall_seconds))
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

    def _put_to_sleep(self) -> None:
        """Put the process to sleep; if that fails, end it, which frees the memory too."""
        if self._worker is None or not self._worker.alive:
            return
        try:
            self._worker.send({"sleep": True}, self.config.stall_seconds)
            self._worker.receive(self.config.stall_seconds)
        except (WorkerError, TimeoutError):
            self._drop()
