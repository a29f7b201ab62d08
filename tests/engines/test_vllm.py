"""The vLLM engine for real: against the transformers engine, killed, stopped, with bad input."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from arcflow.core.errors import ConfigError
from arcflow.engines.base import AdapterRef, Completion, Request, SamplingParams, ScoreRequest
from arcflow.engines.transformers import TransformersEngine
from arcflow.engines.vllm import VLLMConfig, VLLMEngine
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.lora.adapters import (
    LoRAConfig,
    set_active,
)
from tests.helpers.served import (
    GREEDY,
    MAX_RANK,
    MAX_TOKENS,
    SHAPES,
    STOP,
    Served,
    add_adapter,
    assert_same,
    mixed,
    prompts,
    write,
)
from tests.helpers.tiny import VOCABULARY, save_tiny

needs_vllm = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vLLM is not installed (make setup-dev)"
    ),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("served")
    # Four layers, so that a long answer takes a while; heads of 32, which vLLM's kernels know.
    folder = save_tiny(
        root / "base", hidden_size=64, num_hidden_layers=4, max_position_embeddings=MAX_TOKENS
    )
    model = load_backbone(BackboneConfig(model=folder), VOCABULARY)
    adapters = {}
    for number, config in SHAPES.items():
        add_adapter(model, str(number), config, number)
        path = write(model, root / f"adapter{number}", str(number), config)
        adapters[number] = AdapterRef(number, path=path)

    @contextmanager
    def use_adapter(ref: AdapterRef | None) -> Iterator[None]:
        set_active(model, None if ref is None else str(ref.id))
        yield
        set_active(model, None)

    engine = VLLMEngine(
        folder,
        VLLMConfig(threads=1, kv_cache_gb=0.1, stall_seconds=60),
        MAX_TOKENS,
        MAX_RANK,
        max_adapters=len(SHAPES),  # none of the places for adapters is empty
    )
    yield Served(folder, adapters, TransformersEngine(model, 0, use_adapter), engine)
    engine.close()


class TestReal:
    """One engine for all; they run in this order."""

    pytestmark = needs_vllm

    def test_greedy_answers_equal_those_of_transformers(self, served: Served) -> None:
        requests = mixed(served, 32)
        expected = served.reference.generate(requests, GREEDY)
        plain = [replace(r, adapter=None) for r in requests]
        assert {c.finished for (c,) in expected} == {True, False}
        assert served.reference.generate(plain, GREEDY) != expected
        assert_same(served.engine.generate(requests, GREEDY), expected)
        # Again, now that every adapter is loaded and the prompts' beginnings are cached.
        assert_same(served.engine.generate(requests[::-1], GREEDY), expected[::-1])
        assert_same(
            served.engine.generate(plain, replace(GREEDY, n=2)),
            served.reference.generate(plain, replace(GREEDY, n=2)),
        )

    def test_samples_are_a_function_of_seed_and_sample(self, served: Served) -> None:
        requests = mixed(served, 10)
        sampling = SamplingParams(n=3, temperature=1.3, max_tokens=24, stop_ids=(STOP,))
        answers = served.engine.generate(requests, sampling)
        assert all(len({c.token_ids for c in completions}) == 3 for completions in answers)
        backwards = served.engine.generate(requests[::-1], replace(sampling, n=2))
        assert_same(backwards[::-1], [completions[:2] for completions in answers])
        other = [replace(request, seed=100 + request.seed) for request in requests]
        assert served.engine.generate(other, sampling) != answers
        many = [request for i in range(5) for request in mixed(served, 40, seed=i)]
        together = served.engine.generate(many, replace(sampling, n=2))  # more than fit in a step
        assert_same(together[-40:], served.engine.generate(many[-40:], replace(sampling, n=2)))
        narrow = replace(sampling, top_p=1e-6, n=1)
        assert_same(
            served.engine.generate(requests, narrow),
            served.reference.generate(requests, replace(narrow, temperature=0.0)),
        )

    def test_scores_of_given_completions_equal_those_of_transformers(self, served: Served) -> None:
        requests = [
            ScoreRequest(one.prompt_ids, ((9, 10, 11, STOP), (12,), (9, 10, 13)), one.adapter)
            for one in mixed(served, 24)
        ]
        # As long as the model may read: no token is left to write.
        full = prompts(2, seed=3)[1]
        rest = tuple(8 + i % 40 for i in range(MAX_TOKENS - len(full)))
        requests.append(ScoreRequest(full, (rest,), served.adapters[12]))
        expected = served.reference.score(requests)
        for _ in range(2):  # prompts that are cached give no log-probabilities of their own
            got = served.engine.score(requests)
            for ours, theirs in zip(got, expected, strict=True):
                for a, b in zip(ours, theirs, strict=True):
                    assert a == replace(b, log_prob=a.log_prob)
                    assert a.log_prob == pytest.approx(b.log_prob, abs=1e-4, rel=1e-5)
        plain = [replace(one, adapter=None) for one in requests]
        assert served.reference.score(plain) != expected
        late = served.engine.score(requests, seconds=1e-9)
        assert {one.error for found in late for one in found} == {"the time limit was reached"}

    def test_log_prob_is_at_temperature_one(self, served: Served) -> None:
        requests = [Request(ids, seed=i) for i, ids in enumerate(prompts(6))]
        sampling = SamplingParams(n=2, temperature=1.5, max_tokens=24, stop_ids=(STOP,))
        model = served.reference.model.eval()
        answers = served.engine.generate(requests, sampling)
        for request, completions in zip(requests, answers, strict=True):
            for got in completions:
                ids = [*request.prompt_ids, *got.token_ids, *[STOP] * got.finished]
                assert len(ids) == len(request.prompt_ids) + got.n_tokens
                with torch.no_grad():
                    logits = model(torch.tensor([ids])).logits[0, :-1].double()
                scored = logits.log_softmax(-1).gather(1, torch.tensor(ids)[1:, None])
                expected = float(scored[-got.n_tokens :].sum())
                assert got.log_prob == pytest.approx(expected, abs=1e-3)

    def test_another_folder_is_another_adapter(self, served: Served) -> None:
        requests = [Request(ids, served.adapters[11]) for ids in prompts(4)]
        first = served.engine.generate(requests, GREEDY)
        moved = AdapterRef(11, path=served.adapters[12].path)  # the id was there before
        again = served.engine.generate([replace(r, adapter=moved) for r in requests], GREEDY)
        own = [replace(r, adapter=served.adapters[12]) for r in requests]
        assert again != first
        assert_same(again, served.reference.generate(own, GREEDY))

    def test_bad_adapters_leave_the_others_answered(self, served: Served, tmp_path: Path) -> None:
        other = load_backbone(BackboneConfig(config={"hidden_size": 96}), VOCABULARY)
        model = served.reference.model
        bad = {"none": tmp_path / "none"}
        for name, config, of in (
            ("rank", LoRAConfig(rank=16), model),
            ("dora", LoRAConfig(rank=4, dora=True), model),
            ("shape", LoRAConfig(rank=4), other),
        ):
            add_adapter(of, name, config, 5)
            bad[name] = write(of, tmp_path / name, name, config)
        (tmp_path / "torn").mkdir()
        for file in bad["shape"].iterdir():
            (tmp_path / "torn" / file.name).write_bytes(file.read_bytes()[:200])
        bad["torn"] = tmp_path / "torn"
        good = mixed(served, 6)
        refs = [AdapterRef(20 + i, path=path) for i, path in enumerate(bad.values())]
        pid = served.engine.pid
        answers = served.engine.generate([*good, *(Request((9,), r) for r in refs)], GREEDY)
        assert_same(answers[:6], served.reference.generate(good, GREEDY))
        for (got,), path in zip(answers[6:], bad.values(), strict=True):
            assert got == Completion((), 0.0, 0, finished=False, error=got.error)
            assert f"vLLM cannot serve the adapter {path}" in got.error
        assert "16 is greater than" in answers[7][0].error
        assert served.engine.pid == pid, "no restart for a user's mistake"

    def test_a_time_limit_is_kept_without_a_restart(self, served: Served) -> None:
        requests = [Request(ids, seed=i) for i, ids in enumerate(prompts(200))]
        long = SamplingParams(n=4, temperature=1.0, max_tokens=200)
        served.engine.generate(requests[:1], GREEDY)
        pid, start = served.engine.pid, time.monotonic()
        short = [replace(request, max_tokens=1) for request in requests[:2]]
        answers = served.engine.generate([*short, *requests], long, seconds=2.0)
        assert 2.0 <= time.monotonic() - start < 8.0
        late = [c for completions in answers for c in completions if c.error]
        assert len(late) > 100
        assert {c.error for c in late} == {"the time limit was reached"}
        assert all(not c.error for completions in answers[:2] for c in completions)
        assert served.engine.pid == pid
        assert_same(served.engine.generate(short, GREEDY), served.reference.generate(short, GREEDY))
        past = served.engine.generate(short, GREEDY, seconds=0.0)
        assert [c.error for (c,) in past] == ["the time limit was reached"] * 2

    @pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
    def test_recovers(self, served: Served, how: signal.Signals) -> None:
        engine = served.engine
        requests = [replace(r, max_tokens=60) for r in mixed(served, 48)]
        sampling = SamplingParams(max_tokens=60)
        expected = served.reference.generate(requests, sampling)
        engine.generate(requests[:1], GREEDY)
        pid = engine.pid
        assert pid is not None
        engine.config.stall_seconds = 4.0
        wait = engine.submit(requests, sampling)
        # Within the batch, on a busy machine too, on which a longer sleep may outlast it.
        time.sleep(0.02)
        os.kill(pid, how)
        answers = wait()
        engine.config.stall_seconds = 60.0
        assert engine.pid not in (pid, None)
        assert not Path(f"/proc/{pid}").exists()
        assert_same(answers, expected)

    def test_two_failures_leave_the_batch_unanswered(self, served: Served) -> None:
        engine, killed = served.engine, set()
        stop = threading.Event()

        def killer() -> None:
            while not stop.is_set():
                if (pid := engine.pid) is not None and pid not in killed:
                    os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
                time.sleep(0.05)

        requests = mixed(served, 8)
        engine.generate(requests[:1], GREEDY)
        long = SamplingParams(n=20, temperature=1.0, max_tokens=400)
        thread = threading.Thread(target=killer)
        wait = engine.submit([replace(r, max_tokens=None) for r in requests], long)
        thread.start()
        answers = wait()
        stop.set()
        thread.join()
        assert len(killed) == 2
        lost = [c for completions in answers for c in completions if c.error]
        assert lost
        for one in lost:
            assert one == Completion((), 0.0, 0, finished=False, error=one.error)
            assert "vLLM failed twice: the process ended with signal SIGKILL" in one.error
        assert engine.pid is None
        assert_same(engine.generate(requests, GREEDY), served.reference.generate(requests, GREEDY))

    def test_close_ends_the_process(self, served: Served) -> None:
        engine = served.engine
        pid = engine.pid
        wait = engine.submit(
            [Request(ids) for ids in prompts(40)],
            SamplingParams(n=9, temperature=1.0, max_tokens=200),
        )
        time.sleep(0.2)
        engine.close()
        assert not Path(f"/proc/{pid}").exists()
        with pytest.raises(RuntimeError, match="the engine is closed"):
            wait()
        with pytest.raises(RuntimeError, match="the engine is closed"):
            engine.submit([Request((2,))], GREEDY)

    def test_a_model_that_vllm_refuses(self, served: Served, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text("{}")
        engine = VLLMEngine(tmp_path, VLLMConfig(threads=1), 64)
        try:
            with pytest.raises(
                ConfigError, match=r"vLLM does not start \(.*model_type.*set pass_n"
            ):
                engine.generate([Request((2,))], GREEDY)
        finally:
            engine.close()

    def test_it_dies_with_its_parent(self, served: Served) -> None:
        code = (
            "import sys; from arcflow.engines.vllm import *; import time\n"
            f"engine = VLLMEngine({served.folder!r}, VLLMConfig(threads=1), 64)\n"
            "while engine.pid is None: time.sleep(0.01)\n"
            "print(engine.pid, flush=True); time.sleep(60)"
        )
        parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        with parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            time.sleep(1.0)  # it has asked to be told by now
            assert Path(f"/proc/{pid}").exists()
            parent.kill()
        stop_at = time.monotonic() + 5
        while Path(f"/proc/{pid}").exists() and time.monotonic() < stop_at:
            time.sleep(0.05)
        assert not Path(f"/proc/{pid}").exists()
