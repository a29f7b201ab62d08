"""Run ``arcflow`` in child processes that share one warm start, and kill them for real."""

import csv
import multiprocessing
import os
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["arcflow.cli.lightning", "peft", "tests.helpers.run_callbacks"])


_CALLBACKS = ("Recorder", "KillAfterTaskBatches", "SignalAt", "WaitingEngine")


def __getattr__(name: str) -> Any:
    """Find the callbacks by the names that tests give to ``--trainer.callbacks``.

    Torch and Lightning take seconds to import: tests that only start runs need neither.
    """
    if name in _CALLBACKS:
        from tests.helpers import run_callbacks

        return getattr(run_callbacks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


KEPT = ("validate.journal.jsonl", "validate.results.json", "submission.json")


def kept(folder: Path) -> dict[str, bytes]:
    """All that an evaluation leaves behind."""
    return {name: (folder / name).read_bytes() for name in KEPT}


def _child(argv: list[str], folder: str, output: str) -> None:
    import torch

    from arcflow.cli.main import main

    with open(output, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # As in a fresh process; else loader workers would belong to a fork server that outlives us.
    multiprocessing.set_start_method("fork", force=True)
    os.chdir(folder)
    torch.set_num_threads(1)
    main(argv)


def start_arcflow(argv: Sequence[str], folder: Path, output: Path) -> BaseProcess:
    """Run ``arcflow ARGV`` in ``folder`` in a process of its own, its output in a file."""
    child = _CONTEXT.Process(target=_child, args=(list(argv), str(folder), str(output)))
    child.start()
    return child


def run_arcflow(argv: Sequence[str], folder: Path, timeout: float = 300) -> int:
    """Run ``arcflow ARGV`` in ``folder`` in a process of its own; its exit code (-9 if killed).

    What it wrote to stdout and stderr is printed here once it has ended.
    """
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "output"
        child = start_arcflow(argv, folder, output)
        child.join(timeout)
        if child.is_alive():
            child.kill()
            child.join()
        print(output.read_text(errors="replace") if output.exists() else "(no output)")
    if child.exitcode is None or child.exitcode == -signal.SIGTERM:
        raise TimeoutError(f"arcflow {' '.join(argv)} ran longer than {timeout} s")
    return child.exitcode


def _rank(argv: list[str], folder: str, output: str, rank: int, of: int, port: int) -> None:
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(of),
        "LOCAL_WORLD_SIZE": str(of),
        "GROUP_RANK": "0",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }
    _child(argv, folder, output)


def run_together(argv: Sequence[str], folder: Path, processes: int, timeout: float = 300) -> int:
    """Run ``arcflow ARGV`` as torchrun would, from the warm start; DDP if nothing else is said.

    What the processes wrote is printed, one after the other, once all have ended.

    Returns:
        Their exit code, which must be one and the same.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*argv, f"--trainer.devices={processes}"]
    if not any("strategy" in word for word in argv):
        words.append("--trainer.strategy=ddp")
    with tempfile.TemporaryDirectory() as scratch:
        outputs = [Path(scratch) / str(rank) for rank in range(processes)]
        children = [
            _CONTEXT.Process(
                target=_rank, args=(words, str(folder), str(output), rank, processes, port)
            )
            for rank, output in enumerate(outputs)
        ]
        for child in children:
            child.start()
        end = time.monotonic() + timeout
        for child in children:
            child.join(max(0.0, end - time.monotonic()))
        late = [child for child in children if child.is_alive()]
        for child in late:
            child.kill()
            child.join()
        for output in outputs:
            print(output.read_text(errors="replace") if output.exists() else "(no output)")
    if late:
        raise TimeoutError(f"arcflow {' '.join(argv)} ran longer than {timeout} s")
    [code] = {child.exitcode for child in children}
    assert code is not None
    return code


def read_losses(path: Path) -> dict[int, str]:
    """Loss by batch number; a batch that was run twice keeps its last value."""
    return dict(_number_and_loss(line) for line in path.read_text().splitlines())


def _number_and_loss(line: str) -> tuple[int, str]:
    number, loss = line.split()
    return int(number), loss


def weights(checkpoint: Path) -> "dict[str, torch.Tensor]":
    """The tensors a checkpoint holds under ``state_dict``."""
    import torch

    loaded: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["state_dict"]
    return loaded


def logged(root: Path, name: str) -> list[float]:
    """All values of one column over all CSV logs of a run, oldest version first."""
    values = []
    for path in sorted(root.glob("logs/version_*/metrics.csv")):
        with path.open() as lines:
            values += [float(row[name]) for row in csv.DictReader(lines) if row.get(name)]
    return values
