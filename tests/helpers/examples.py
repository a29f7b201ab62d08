"""The command line with a very small model, on a few small tasks."""

from pathlib import Path

from tests.helpers.paths import ROOT

CONFIG = str(ROOT / "configs" / "quickstart.yaml")
SIZES = (
    '--model.backbone.config={"hidden_size": 32, "intermediate_size": 64, '
    '"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}'
)


def tiny_run(command: str, root: Path, *options: str) -> list[str]:
    """Return the words of ``arcflow fit`` or ``arcflow validate``; seconds on one core."""
    words = [
        command,
        f"--config={CONFIG}",
        f"--trainer.default_root_dir={root}",
        "--trainer.enable_progress_bar=false",
        "--trainer.log_every_n_steps=1",
        "--data.max_tokens=300",
        "--data.tokens_per_batch=600",
        "--data.train.max_tokens=300",
        "--data.val.max_tokens=300",
        "--data.val.stop=2",
        "--test_time.steps=2",
        "--test_time.tokens_per_step=300",
        "--pass_n.answer.views=2",
        SIZES,
    ]
    if command == "fit":
        words += [
            "--trainer.max_steps=2",
            "--trainer.limit_val_batches=1",
            "--trainer.val_check_interval=2",
            "--checkpoint.every_n_steps=0",
        ]
    return [*words, *options]
