"""What re-scoring costs beside the answers: in processor time, on the embedded model.

Usage: python benchmarks/rescoring.py CHECKPOINT [--tasks N]

CHECKPOINT is one of `arcflow fit -c configs/quickstart.yaml`. Some of ARC-AGI-1's evaluation tasks
with sides up to 10 are answered over 16 views; the distinct answers are then scored under 8 further
views, each prompt computed once, and again with whole texts. Prints one JSON object.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch

from arcflow.core.augment_sampling import AugmentConfig
from arcflow.engines.transformers import TransformersEngine
from arcflow.evaluation.grid_requests import AnswerConfig, GridRequests
from arcflow.evaluation.rescore_options import RescoreConfig
from arcflow.evaluation.rescoring import RescoreJob, Rescoring
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.sources.files.by_name import named
from arcflow.text.encode import Encoder, TextConfig
from arcflow.text.tokenizer import load_tokenizer

MAX_TOKENS, VIEWS, RESCORE_VIEWS = 1024, 16, 8


def timed(work: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Return the processor time in seconds, and the result."""
    began = time.process_time()
    result = work(*arguments)
    return time.process_time() - began, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--tasks", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load_backbone(BackboneConfig(), len(load_tokenizer("characters")), 0)
    state = torch.load(options.checkpoint, weights_only=True)["state_dict"]
    own = {name.removeprefix("model."): value for name, value in state.items()}
    missing = model.load_state_dict(own, strict=False).missing_keys
    assert set(missing) <= {"lm_head.weight"}, missing
    encoder = Encoder(load_tokenizer("characters"), TextConfig(loss="outputs"))
    config = AnswerConfig(VIEWS, AugmentConfig(keep_colors=0.5, move_background=0.0))
    small = [t for t in named("arc-agi-1/evaluation") if max(max(g.shape) for g in t.grids()) <= 10]
    chosen = small[:: max(1, len(small) // options.tasks)][: options.tasks]
    sums = dict.fromkeys(("answer", "rescore", "rescore_whole_texts"), 0.0)
    scored = 0
    for task in (task.without_answers() for task in chosen):
        asked = GridRequests(encoder, config, MAX_TOKENS, 0)
        asked.ask((task.id, "baseline"), task, None)
        engine = TransformersEngine(model, 0)
        seconds, answers = timed(engine.generate, asked.requests, asked.sampling)
        sums["answer"] += seconds
        candidates = asked.candidates(answers)[task.id, "baseline"]
        rescoring = Rescoring(encoder, config, RescoreConfig(RESCORE_VIEWS), MAX_TOKENS, 0)
        for name, share in (("rescore", True), ("rescore_whole_texts", False)):
            engine = TransformersEngine(model, 0, share_prefix=share)
            job = RescoreJob(task, candidates, None)
            seconds, [found] = timed(rescoring.score, engine, [job])
            sums[name] += seconds
        scored += len(found.values)
    print(
        json.dumps(
            {
                "tasks": len(chosen),
                "distinct_answers": scored,
                **{f"{name}_seconds": round(value, 2) for name, value in sums.items()},
                "rescore_to_answer": round(sums["rescore"] / sums["answer"], 3),
                "whole_texts_to_shared": round(sums["rescore_whole_texts"] / sums["rescore"], 2),
            }
        )
    )


if __name__ == "__main__":
    main()
