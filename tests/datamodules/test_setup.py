"""What ``setup`` refuses before a model is loaded."""

import copy
from pathlib import Path

import pytest

from arcflow.api.models import load_model
from arcflow.core.errors import ConfigError
from arcflow.datamodules.arc import ARCDataModule
from arcflow.modules.backbone import BackboneConfig
from tests.helpers.tokenizers import qwen_like


def without_end(folder: Path) -> str:
    tokenizer = copy.deepcopy(qwen_like())
    tokenizer.eos_token = None
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("stage", ["fit", "validate", "test", "predict"])
def test_a_tokenizer_that_cannot_work_is_refused_at_once(stage: str, tmp_path: Path) -> None:
    data = ARCDataModule(tokenizer=without_end(tmp_path))
    with pytest.raises(ConfigError, match=f"no end-of-text token: got '{tmp_path}'"):
        data.setup(stage)


def test_so_it_is_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "arcflow.modules.lora_module.load_backbone", lambda *_: pytest.fail("it is loaded")
    )
    with pytest.raises(ConfigError, match=f"no end-of-text token: got '{tmp_path}'"):
        load_model(BackboneConfig(model=without_end(tmp_path)))
