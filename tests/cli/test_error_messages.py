"""What a person is told of an interrupt, a bug and a wrong option."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from arcflow.cli.error_messages import option_message, user_message
from tests.helpers.mistakes import FEW, Run, runner
from tests.helpers.tiny import LIGHTNING_WARNINGS

pytestmark = [
    pytest.mark.filterwarnings(warning)
    # Lightning calls what jsonargparse deprecates.
    for warning in (*LIGHTNING_WARNINGS, "ignore::DeprecationWarning")
]


@pytest.fixture
def arcflow(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    return runner(tmp_path, capfd)


class Interrupt(Callback):
    """Presses Ctrl-C after the first batch."""

    def on_train_batch_end(self, *_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def keep_sigint() -> Iterator[None]:
    """Lightning ignores SIGINT from the first one on; shells let background jobs ignore it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("keep_sigint")
def test_an_interrupt_is_one_line(arcflow: Run) -> None:
    words = [*FEW, "--trainer.callbacks+=tests.cli.test_error_messages.Interrupt"]
    assert arcflow("fit", *words, code=130) == (
        "interrupted. Continue with --ckpt_path last, where a checkpoint was saved."
    )


def test_a_bug_keeps_its_traceback() -> None:
    assert user_message(ValueError("a bug")) is None
    assert user_message(OSError("a bug without a file")) is None
    assert user_message(PermissionError(13, "Permission denied", "/a/b")) == (
        "Permission denied: got '/a/b'. Expected a path that can be used so. Check the path, its "
        "permissions and the space there."
    )


def test_an_option_message_gives_a_value_and_where_it_stands() -> None:
    inner, outer = "{'pairs': 'x'}", "{'parts': {'mine': {'pairs': 'x'}}}"
    text = """Parser key "data":
  Problem with given class_path 'a.B':
    Parser key "parts":
      - Expected a <class 'int'>. Got value: x
        Given value: {inner}
        Given value: {inner}
      Given value: {outer}""".replace("{inner}", inner).replace("{outer}", outer)
    assert option_message(text) == (
        f"option data.parts: Expected a int. Got value: x. Given value: {outer}."
    )
    assert option_message(text.replace(" Got value: x", "")) == (
        f"option data.parts: Expected a int. Given value: {outer}."
    )


def test_an_option_message_is_never_empty() -> None:
    assert option_message("Expected a <class 'NoneType'>") == "Expected a NoneType."
    assert option_message('Parser key "a":\n  Parser key "b.c":\n  no') == "option a.b.c: no."


def test_weights_and_biases_without_an_account() -> None:
    from wandb.errors import UsageError

    message = user_message(UsageError("No API key configured. Use `wandb login` to log in."))
    assert message == (
        "Weights & Biases cannot log: No API key configured. Use `wandb login` to log in. Without "
        "an account or a network, add --trainer.logger.offline true."
    )
