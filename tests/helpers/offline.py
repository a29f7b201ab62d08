"""A competitor's folder, and ``arcflow`` run from it with every look outside written down."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from arcflow.sources.arc import load_split
from arcflow.sources.select import largest_side
from tests.helpers.paths import ROOT
from tests.helpers.runs import run_arcflow
from tests.helpers.tiny import SIZES
from tests.helpers.tokenizers import qwen_like

TASKS = 2

CONFIG = """
seed_everything: 0
threads: 1
trainer:
  default_root_dir: run
  accelerator: cpu
  devices: 1
  enable_model_summary: false
  enable_progress_bar: false
model:
  class_path: LoRAModule
  init_args:
    backbone: {model: base}
    adapter: adapter
    lora: {rank: 4, alpha: 8}
data:
  class_path: ARCDataModule
  init_args:
    train: {tasks: arc-agi-1/training, max_side: 4}
    val: {tasks: arc-agi-1/evaluation, max_side: 4}
    predict: {tasks: arc-agi_test_challenges.json}
    max_tokens: 768
    tokens_per_batch: 1536
    text: {format: chat}
test_time:
  steps: 2
  tokens_per_step: 768
pass_n:
  compare: false
  answer: {views: 2}
"""

# Every process says that it is watched, then Python's own word on each connection and look-up.
_SITECUSTOMIZE = """
import json, os, sys

_EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
           "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")

def _write(*what):
    file = os.open(os.environ["ARCFLOW_TEST_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, (json.dumps(what, default=repr) + "\\n").encode())
    os.close(file)

def _note(event, args):
    if event in _EVENTS:
        _write(event, [value for value in args if not hasattr(value, "fileno")][0])

_write("process", sys.orig_argv)
sys.addaudithook(_note)
"""

# A new network namespace has a loopback that is down; vLLM's own parts talk over it.
_LOOPBACK = """
import fcntl, os, socket, struct, sys
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    name, flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS,
                                                    struct.pack("16sh", b"lo", 0)))
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", name, flags | IFF_UP))
others = [name for _, name in socket.if_nameindex() if name != "lo"]
assert not others, others
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


# Several runs for one start of Python; each one's end is a line of JSON.
_SEVERAL = """
import contextlib, io, json, sys, time
import arcflow.cli.lightning
from arcflow.cli.main import main

for argv in json.loads(sys.argv[1]):
    began, said = time.monotonic(), io.StringIO()
    with contextlib.redirect_stderr(said):
        try:
            main(argv)
        except SystemExit as stop:
            code = stop.code
    print("END", json.dumps([code, time.monotonic() - began, said.getvalue()]))
"""


def why_no_namespace() -> str:
    """Why this machine cannot make an empty network namespace; empty where it can."""
    if shutil.which("unshare") is None:
        return "no unshare (util-linux)"
    tried = subprocess.run(["unshare", "-rn", "true"], capture_output=True, text=True, check=False)
    return tried.stderr.strip() if tried.returncode else ""


def make_folder(folder: Path) -> Path:
    """Wheels and what is installed from them, base model, adapter, config and challenges."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    source = folder / "source"  # a build leaves files beside what it builds
    source.mkdir()
    for name in ("arcflow", "configs"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "wheels", "./source"]
    # The heavy packages are the test environment's own; on Kaggle they come from wheels too.
    install = ["install", "--no-index", "--find-links", "wheels", "--no-deps", "--target", "site"]
    for words in (build, [*install, "arcflow"]):
        done = subprocess.run(
            [*pip, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
    shutil.rmtree(source)

    tokenizer = qwen_like()
    # Heads of 32, which vLLM's kernels know.
    sizes = SIZES | {"hidden_size": 64, "vocab_size": len(tokenizer), "tie_word_embeddings": True}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(Qwen2Config(**sizes)).save_pretrained(folder / "base")
    tokenizer.save_pretrained(folder / "base")

    (folder / "config.yaml").write_text(CONFIG)
    small = [t for t in load_split("arc-agi-1/evaluation") if largest_side(t) <= 5][:TASKS]
    hidden = {task.id: task.without_answers().to_json() for task in small}
    (folder / "arc-agi_test_challenges.json").write_text(json.dumps(hidden))

    train = ["--trainer.default_root_dir=trained", "--checkpoint.export=trained"]
    train += ["--trainer.max_steps=2", "--model.adapter=null"]
    assert run_arcflow(["fit", "-c", "config.yaml", *train], folder) == 0
    (folder / "trained" / "adapter").rename(folder / "adapter")
    shutil.rmtree(folder / "trained")

    watch = folder / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(_SITECUSTOMIZE)
    (watch / "loopback.py").write_text(_LOOPBACK)
    (watch / "several.py").write_text(_SEVERAL)
    return folder


@dataclass
class Ended:
    """What a process left.

    Attributes:
        code: exit code.
        said: on stdout and stderr.
        processes: command lines of all the Python processes that were watched.
        asked: each connection and look-up that they tried: event and address.
    """

    code: int
    said: str
    processes: list[list[str]]
    asked: list[tuple[str, Any]]

    def outside(self) -> list[tuple[str, Any]]:
        """Those that were for another machine."""
        return [one for one in self.asked if not _here(one[1])]


def _here(address: Any) -> bool:
    """Whether an address is a socket file or the loopback."""
    host = address[0] if isinstance(address, list) else address
    if isinstance(address, str) and address.startswith(("/", "\0")):
        return True
    return host in ("localhost", "::1", "", None) or str(host).startswith("127.")


def run_python(folder: Path, words: Sequence[str], *, network: bool, seconds: float = 300) -> Ended:
    """Run ``python WORDS`` in ``folder``, where arcflow is what was installed there.

    Args:
        folder: from :func:`make_folder`.
        words: after ``python``.
        network: with this machine's network, whatever it reaches; without, in an empty network
            namespace.
        seconds: time limit.
    """
    calls = folder / "calls"
    calls.unlink(missing_ok=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        # A proxy on this machine would look like the loopback.
        if not name.startswith(("HF_", "TRANSFORMERS_", "VLLM_", "PYTHON"))
        and not name.lower().endswith("_proxy")
        and name != "DO_NOT_TRACK"
    }
    environment |= {
        "PYTHONPATH": f"{folder / 'watch'}:{folder / 'site'}",
        "ARCFLOW_TEST_CALLS": str(calls),
        "HOME": str(folder / "home"),  # no cache of earlier downloads
        "OMP_NUM_THREADS": "1",
    }
    alone = [] if network else ["unshare", "-rn", sys.executable, "watch/loopback.py"]
    done = subprocess.run(
        [*(alone or [sys.executable]), *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        check=False,
    )
    lines = [json.loads(line) for line in calls.read_text().splitlines()]
    processes = [value for event, value in lines if event == "process"]
    asked = [(event, value) for event, value in lines if event != "process"]
    return Ended(done.returncode, done.stdout, processes, asked)
