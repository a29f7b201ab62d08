"""Models out of GGUF files equal those that were written to them."""

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Type
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.gguf.folder import model_folder
from arcflow.modules.gguf.rope import llama3_divisors
from arcflow.modules.lora.config import LoRAConfig
from arcflow.modules.lora_module import LoRAModule
from arcflow.text.tokenizer import load_tokenizer
from tests.helpers.adapters import shake
from tests.helpers.gguf_files import divisors, small_model, write_gguf
from tests.helpers.tokenizers import qwen_like

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
TEXTS = (
    "Input:\n012\n345\n\nOutput:\n",
    "  12\n\n7 it's naïve 東京 🙂",
    "<|im_start|>user\n1<|im_end|>",
)


def logits(model: PreTrainedModel, start: int = 0) -> torch.Tensor:
    ids = torch.arange(60)[None] % 50 + 1
    with torch.no_grad():
        out: torch.Tensor = model(ids, position_ids=torch.arange(start, start + 60)[None]).logits
    return out


@pytest.mark.parametrize(
    ("kind", "tied"), [("llama", True), ("llama", False), ("qwen2", True), ("qwen2", False)]
)
def test_the_logits_are_those_of_the_model_that_was_written(
    kind: str, tied: bool, tmp_path: Path
) -> None:
    written = small_model(kind, tie_word_embeddings=tied)
    file = write_gguf(tmp_path / "small.gguf", written, kind)
    read = load_backbone(BackboneConfig(model=str(file), attention="sdpa"), len(qwen_like())).eval()
    assert torch.allclose(logits(read), logits(written), rtol=0, atol=2e-6)
    assert read.config.tie_word_embeddings == tied
    assert not hasattr(read.config, "quantization_config")


def test_rotary_embeddings_scaled_as_llama_3_1_s(tmp_path: Path) -> None:
    written = small_model(rope_parameters=LLAMA3)
    scaled = np.array(llama3_divisors(8, 500_000.0, 8.0))
    inv_freq = written.model.rotary_emb.inv_freq
    assert np.allclose(500_000.0 ** (-np.arange(8) / 8) / scaled, inv_freq, rtol=1e-6)
    file = write_gguf(tmp_path / "scaled.gguf", written, change=divisors(scaled))
    read = load_backbone(BackboneConfig(model=str(file), attention="sdpa"), 1).eval()
    assert torch.allclose(logits(read, 20_000), logits(written, 20_000), rtol=0, atol=2e-5)


@pytest.mark.parametrize("type", [Type.Q8_0, Type.Q4_1, Type.BF16])
def test_quantized_weights_are_read_as_gguf_s_own_reader_does(type: Type, tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "quantized.gguf", small_model(), type=type)
    read = AutoModelForCausalLM.from_pretrained(model_folder(str(file)))
    assert read.dtype == torch.float32
    entries = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    entry = entries["blk.1.ffn_up.weight"]
    assert entry.tensor_type == type
    numbers = torch.from_numpy(gguf.dequantize(entry.data, entry.tensor_type).copy())
    assert torch.equal(read.model.layers[1].mlp.up_proj.weight, numbers)


def test_the_tokenizer_and_its_chat_template_are_the_file_s(tmp_path: Path) -> None:
    written = qwen_like()
    module = LoRAModule(
        BackboneConfig(model=str(write_gguf(tmp_path / "small.gguf", small_model())))
    )
    read = load_tokenizer(module.tokenizer_name)
    assert read.get_vocab() == written.get_vocab()
    assert (read.eos_token, read.pad_token) == (written.eos_token, written.pad_token)
    messages = [{"role": "user", "content": "01\n23"}]
    for text in (*TEXTS, written.apply_chat_template(messages, tokenize=False)):
        ids = written(text, add_special_tokens=False)["input_ids"]
        assert read(text, add_special_tokens=False)["input_ids"] == ids
        assert read.decode(ids) == text
    assert read.chat_template == written.chat_template


def test_a_folder_takes_its_one_file_and_an_adapter_is_exported_and_merged(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write_gguf(folder / "small.gguf", small_model())
    (folder / "config.json").write_text("{}")  # as beside many GGUF files: the file's own counts
    module = LoRAModule(BackboneConfig(model=str(folder), attention="sdpa"), LoRAConfig(4, 8))
    module.configure_model()
    before = logits(module.model.eval())
    shake(module.model)
    trained = logits(module.model)
    assert not torch.allclose(trained, before, atol=0.1)

    adapter = module.export(tmp_path / "adapter")
    theirs = AutoPeftModelForCausalLM.from_pretrained(adapter)  # finds the converted base itself
    assert torch.allclose(logits(theirs), trained, rtol=0, atol=2e-5)
    (adapter / "arcflow.json").unlink()  # as if PEFT had trained it on the converted base
    again = LoRAModule(module.backbone, module.lora, adapter=str(adapter))
    again.configure_model()
    assert torch.equal(logits(again.model.eval()), trained)
    merged = module.merge(tmp_path / "merged")
    whole = AutoModelForCausalLM.from_pretrained(merged)
    assert torch.allclose(logits(whole), trained, rtol=0, atol=2e-5)
    assert AutoTokenizer.from_pretrained(merged).get_vocab() == qwen_like().get_vocab()
