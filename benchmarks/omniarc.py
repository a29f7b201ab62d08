"""Tasks with programs: samples a second of each kind, and how long a fit waits for them.

Samples on one core, whole: drawn, augmented, encoded. First as they come, each task new: its
inputs are drawn, its program is made and run. Then the same numbers again, with the tasks, the
broken programs and what is wrong with them in memory, as for a source with `variants` after its
first passes. Then `arcflow fit` with configs/quickstart.yaml and configs/omniarc.yaml, as
benchmarks/mixture.py does it: the share of its time that two loader workers, or none, let it wait.

    python benchmarks/omniarc.py [--samples 1000] [--steps 100] [--rounds 1]
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from mixture import child  # noqa: E402  (of this folder)

from arcflow.core.augment_sampling import AugmentConfig, order_alone  # noqa: E402
from arcflow.datamodules.omniarc import KINDS  # noqa: E402
from arcflow.datamodules.streams.failed_program_stream import FEEDBACK, FailedProgramStream  # noqa: E402
from arcflow.datamodules.streams.task_stream import TaskStream  # noqa: E402
from arcflow.omniarc.source import OmniARC  # noqa: E402
from arcflow.text.encode import Encoder  # noqa: E402
from arcflow.text.kinds import get_kind, needs_program  # noqa: E402
from arcflow.text.tokenizer import load_tokenizer  # noqa: E402

GOAL = 1000
"""Samples a second of each kind where inputs are cached."""
MAX_TOKENS = 4096


def rate(stream: TaskStream, n: int, seconds: float = 0.0) -> float:
    """Samples a second, of processor time: other work on the machine does not count.

    Args:
        stream: asked for its first n samples,
        n: in order,
        seconds: and again until so much time is measured.
    """
    begin, made, spent = time.process_time(), 0, 0.0
    while not made or spent < seconds:
        for index in range(n):
            stream.sample(index)
        made += n
        spent = time.process_time() - begin
    return made / max(spent, 1e-9)


def measure(n: int) -> dict[str, tuple[float, float]]:
    """Samples a second of each kind, new and cached."""
    tokenizer, augment = load_tokenizer("characters"), AugmentConfig()
    found = {}
    for kind in KINDS:
        source = OmniARC(variants=1_000_000)
        stream = (FailedProgramStream if kind == FEEDBACK else TaskStream)(
            source,
            Encoder(tokenizer, kind=get_kind(kind), config=None),
            order_alone(augment) if needs_program(kind) else augment,
            0,
            MAX_TOKENS,
        )
        new = rate(stream, n)
        found[kind] = new, rate(stream, n, 1.0)
        print(f"{kind:28} {found[kind][0]:8,.0f} new {found[kind][1]:8,.0f} cached, samples/s")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1000, help="samples of each kind")
    parser.add_argument("--steps", type=int, default=100, help="steps of a fit, measured")
    parser.add_argument("--rounds", type=int, default=1, help="fits of each kind")
    options = parser.parse_args()
    rates = measure(options.samples)
    config = str(ROOT / "configs" / "omniarc.yaml")
    shares = {}
    for workers in (0, 2) if options.rounds else ():
        fits = [child(config, workers, options.steps) for _ in range(options.rounds)]
        shares[workers] = statistics.median(fit["share"] for fit in fits)
        step = statistics.median(fit["wall"] for fit in fits)
        print(f"fit, {workers} workers: {1e3 * step:.0f} ms a step, {shares[workers]:.2%} waiting")
    slowest = min(rates, key=lambda kind: rates[kind][1])
    new, cached = rates[slowest]
    print(
        json.dumps(
            {
                "name": "omniarc",
                "value": round(cached),
                "unit": f"samples/s, cached, of the slowest kind ({slowest})",
                "against": "the same samples, new",
                "against_value": round(new),
                "ratio": round(cached / new, 1),
                "waiting": {str(workers): round(share, 4) for workers, share in shares.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
