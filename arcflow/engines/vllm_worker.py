"""The process that vLLM lives in: ``python -m arcflow.engines.vllm_worker``.

It exchanges plain data with :mod:`arcflow.engines.vllm`. It receives ``{"start": options}`` first,
then ``{"batch": ...}`` and ``{"sleep": true}``. It sends ``{"ready": true}``, ``{"answer": ...}``
as each one is complete, ``{"alive": true}`` about once a second while it works, ``{"done": true}``,
and ``{"failed": reason}`` before it dies of an error.
"""

import ctypes
import os
import queue
import signal
import socket
import sys
import threading
import time
from types import TracebackType
from typing import Any

from arcflow.engines import vllm_cpu_lora
from arcflow.engines.base import OUT_OF_TIME
from arcflow.engines.channel import Channel

_PR_SET_PDEATHSIG = 1


def main(fd: int, parent: int) -> None:
    """Serve until the other side is gone.

    Args:
        fd: The file descriptor of this end of the connection.
        parent: The id of the process to die with.
    """
    _die_with(parent)
    channel = Channel(socket.socket(fileno=fd))
    sys.excepthook = _LastWords(channel)
    inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(channel, inbox), daemon=True).start()
    server = _Server(channel, inbox.get()["start"])
    channel.send({"ready": True})
    while True:
        message = inbox.get()
        if "sleep" in message:
            server.sleep()
        else:
            server.answer(message["batch"])
        channel.send({"done": True})


class _Server:
    """The server around vLLM's engine, which is given one row per completion."""

    def __init__(self, channel: Channel, options: dict[str, Any]) -> None:
        from vllm import LLM
        from vllm.platforms import current_platform

        if current_platform.is_cpu():
            vllm_cpu_lora.install()
        self._channel = channel
        self._llm = LLM(**options)
        self._engine = self._llm.llm_engine
        self._can_sleep = bool(options.get("enable_sleep_mode"))
        self._asleep = False

    def sleep(self) -> None:
        """Move the weights to the host's memory and drop the cache of prompts."""
        if self._can_sleep and not self._asleep:
            # Level 2, which drops the weights, crashes with LoRA.
            self._llm.sleep(level=1)
            self._asleep = True

    def answer(self, batch: dict[str, Any]) -> None:
        """Complete the batch's rows and send each answer as soon as it is complete."""
        if self._asleep:
            self._llm.wake_up()
            self._asleep = False
        seconds = batch["seconds"]
        stop_at = None if seconds is None else time.monotonic() + seconds
        refused = self._load_adapters(batch)
        rows = []
        for row in batch["rows"]:
            if row["adapter"] in refused:
                self._send(row["row"], error=refused[row["adapter"]])
            else:
                rows.append(row)
        self._complete(rows, batch, stop_at)

    def _load_adapters(self, batch: dict[str, Any]) -> dict[int, str]:
        """Load each adapter before it is used, since a bad one inside a batch hangs the engine.

        Returns:
            The reason for each adapter that cannot be served.
        """
        refused: dict[int, str] = {}
        for number, path in batch["adapters"]:
            try:
                self._engine.add_lora(_lora_request(number, path))
            except Exception as error:  # noqa: BLE001 (vLLM raises many; the caller gets it)
                refused[number] = f"vLLM cannot serve the adapter {path} ({one_line(error)})"
        return refused

    def _complete(
        self, rows: list[dict[str, Any]], batch: dict[str, Any], stop_at: float | None
    ) -> None:
        paths = dict(batch["adapters"])
        waiting: dict[str, dict[str, Any]] = {}
        for number, row in enumerate(rows):
            adapter, given = row["adapter"], row.get("completion")
            prompt = batch["prompts"][row["prompt"]]
            self._engine.add_request(
                str(number),
                # The last token of a given completion is written, not read: it needs no room.
                {"prompt_token_ids": prompt if given is None else [*prompt, *given[:-1]]},
                _sampling_params(batch, row) if given is None else _scoring_params(given),
                lora_request=None if adapter is None else _lora_request(adapter, paths[adapter]),
            )
            waiting[str(number)] = row
        spoke_at = time.monotonic()
        while self._engine.has_unfinished_requests():
            now = time.monotonic()
            if stop_at is not None and now >= stop_at:
                self._engine.abort_request(list(waiting))
                break
            if now - spoke_at > 1.0:
                self._channel.send({"alive": True})
                spoke_at = now
            for output in self._engine.step():
                if output.finished:
                    row = waiting.pop(output.request_id)
                    if "completion" in row:
                        self._send_score(row, output)
                    else:
                        self._send(row["row"], output.outputs[0])
        for late in waiting.values():
            self._send(late["row"], error=OUT_OF_TIME)

    def _send_score(self, row: dict[str, Any], output: Any) -> None:
        """Send the log-probability of a given completion: of its tokens in the prompt, whose
        last ones they are, and of the one that was written."""
        given = row["completion"]
        total: float = output.outputs[0].cumulative_logprob
        if len(given) > 1:
            places = output.prompt_logprobs[1 - len(given) :]
            total += sum(at[token].logprob for at, token in zip(places, given, strict=False))
        answer = {"row": row["row"], "error": "", "token_ids": given, "log_prob": total}
        self._channel.send({"answer": answer | {"n_tokens": len(given), "finished": True}})

    def _send(self, row: list[int], output: Any = None, error: str = "") -> None:
        answer: dict[str, Any] = {"row": row, "error": error}
        if output is None:
            answer |= {"token_ids": [], "log_prob": 0.0, "n_tokens": 0, "finished": False}
        else:
            token_ids = list(output.token_ids)
            stopped = output.finish_reason == "stop"
            answer |= {
                "token_ids": token_ids[:-1] if stopped else token_ids,
                "log_prob": output.cumulative_logprob,
                "n_tokens": len(token_ids),
                "finished": stopped,
            }
        self._channel.send({"answer": answer})


def _sampling_params(batch: dict[str, Any], row: dict[str, Any]) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=batch["temperature"],
        top_p=batch["top_p"],
        seed=row["seed"],
        max_tokens=row["max_tokens"],
        stop_token_ids=batch["stop_ids"],
        ignore_eos=True,  # the stop ids alone decide
        logprobs=0,  # the chosen token's alone
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _scoring_params(given: list[int]) -> Any:
    """Return parameters that give the log-probabilities of the prompt and write one token."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        temperature=0.0,
        max_tokens=1,
        allowed_token_ids=given[-1:],
        ignore_eos=True,
        logprobs=0,  # as they are before all but the allowed tokens are ruled out
        prompt_logprobs=0,  # of the prompt's own tokens alone
        detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )


def _lora_request(number: int, path: str) -> Any:
    from vllm.lora.request import LoRARequest

    return LoRARequest(f"adapter-{number}", number, path)


def one_line(error: BaseException) -> str:
    """Return an error as one line of at most 500 characters."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


class _LastWords:
    """An ``excepthook`` that sends the reason of a crash to the other side and logs it in full."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __call__(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sys.__excepthook__(kind, error, trace)
        sys.stderr.flush()
        self._channel.send({"failed": one_line(error)})
        # Threads of libraries must not keep a broken engine alive.
        os._exit(1)


def _read(channel: Channel, inbox: "queue.SimpleQueue[dict[str, Any]]") -> None:
    """Receive messages while the main thread works, and end the process with the other side."""
    while True:
        try:
            inbox.put(channel.receive())
        except (EOFError, OSError):
            os._exit(0)


def _die_with(parent: int) -> None:
    """Get SIGKILL when the thread that started this process ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
