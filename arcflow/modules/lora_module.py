"""LoRAModule: a causal language model that learns, with an adapter or with all its weights."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor
from transformers import PreTrainedModel

from arcflow.core.class_path import class_path
from arcflow.core.errors import CheckpointError, ConfigError, located
from arcflow.core.seeds import derive
from arcflow.modules.accumulation import AccumulatedStep, check_accumulation, counts
from arcflow.modules.adapter_files import export_adapter, read_adapter
from arcflow.modules.backbone import BackboneConfig, load_backbone
from arcflow.modules.export import merge_and_export
from arcflow.modules.fingerprint import (
    Fingerprint,
    check_fingerprint,
    describe_base,
    make_fingerprint,
)
from arcflow.modules.gguf.folder import tokenizer_folder
from arcflow.modules.lora.adapters import (
    DEFAULT_ADAPTER,
    LoRAConfig,
    attach_adapter,
    check_tensors,
    load_adapter_state,
)
from arcflow.modules.loss.base import LossFunction
from arcflow.modules.loss.causal_lm import CrossEntropy
from arcflow.modules.optim import (
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    build_schedule,
    group_options,
    set_group_options,
)
from arcflow.modules.quiet import no_progress_bars
from arcflow.modules.sharding import check_shardable, is_sharded, mark_units, plain_names
from arcflow.modules.warm_start import CHECKPOINT_RECORD, is_adapter, load_start
from arcflow.modules.whole_folder import whole_folder
from arcflow.text.tokenizer import CHARACTERS, load_tokenizer

_BACKBONE, _OPTIMIZER, _SCHEDULE = BackboneConfig(), OptimizerConfig(), ScheduleConfig()


class LoRAModule(LightningModule):
    """Trains a causal language model of transformers on ARC.

    Batches are packed rows ``{input_ids, labels, position_ids}`` of shape (1, T), or padded ones
    of shape (B, L) with an ``attention_mask``; labels are aligned with the ids, -100 where not
    scored. Validation batches of other kinds (task batches of tasks) are the callbacks' business.

    Checkpoints hold what is trained and an identity record; another base model, LoRA option or
    grid text is refused by name.

    Args:
        backbone: which language model, and how it is held in memory.
        lora: the adapter to train; null trains all weights.
        optimizer: how weights are changed.
        schedule: how the learning rate moves.
        adapter: folder of a trained adapter (PEFT's format) to continue from, with the same LoRA
            options.
        start_from: another run's trained weights to start from: a checkpoint of arcflow fit, or
            a folder that it exported; with the same model, LoRA options and text. Steps, optimizer
            and data start anew; --ckpt_path continues a run.
        tokenizer: name or folder of the tokenizer; empty takes the model's own ("characters"
            for a model from random weights).
        vocab_size: number of token ids of a model from random weights; null takes the
            tokenizer's.
        seed: of random weights, adapters and dropout.
        loss_fn: what is minimised in training and test-time fine-tuning, and measured in
            validation: class_path and init_args of a subclass of
            arcflow.modules.loss.base.LossFunction; null takes the cross entropy.
    """

    model: PreTrainedModel

    def __init__(
        self,
        backbone: BackboneConfig = _BACKBONE,
        lora: LoRAConfig | None = None,
        optimizer: OptimizerConfig = _OPTIMIZER,
        schedule: ScheduleConfig = _SCHEDULE,
        adapter: str | None = None,
        start_from: str | None = None,
        tokenizer: str = "",
        vocab_size: int | None = None,
        seed: int = 0,
        loss_fn: LossFunction | None = None,
    ) -> None:
        super().__init__()
        if lora is None and adapter is not None:
            raise ConfigError(
                "model.adapter: there is no adapter to continue without LoRA",
                value=adapter,
                expected="model.lora beside model.adapter",
                next_step="Give model.lora with the adapter's rank and alpha.",
            )
        if adapter is not None and start_from is not None:
            raise ConfigError(
                "model.start_from: model.adapter is a start already",
                value={"adapter": adapter, "start_from": start_from},
                expected="one of the two",
                next_step="Leave one of them out.",
            )
        if lora is None and backbone.quantization != "none":
            raise ConfigError(
                "backbone.quantization: quantized weights cannot be trained",
                value=backbone.quantization,
                expected="model.lora beside a quantized backbone",
                next_step="Give model.lora, or set backbone.quantization to none.",
            )
        if lora is None and backbone.dtype == "auto":
            # Small updates vanish in 16-bit weights.
            backbone = replace(backbone, dtype="float32")
        self.backbone, self.lora = backbone, lora
        self.optimizer_config, self.schedule_config = optimizer, schedule
        self.adapter, self.start_from, self.seed = adapter, start_from, seed
        if not tokenizer and backbone.from_scratch:
            tokenizer = CHARACTERS
        self.tokenizer_name = tokenizer_folder(tokenizer or backbone.model)
        self.vocab_size = vocab_size
        self.loss_fn = CrossEntropy() if loss_fn is None else loss_fn
        self.base_record: dict[str, Any] = {}
        self._clock = 0.0
        self._nats: float | Tensor = 0.0
        self._group_options: list[dict[str, Any]] = []
        self._scored = 0
        self._step = AccumulatedStep()
        # Checkpoints lack the frozen weights on purpose; on_load_checkpoint checks the rest.
        self.strict_loading = False

    def configure_model(self) -> None:
        """Load the backbone and attach the adapter, once."""
        if self.base_record:
            return
        precision = getattr(self._trainer, "precision", "32-true")
        if self.backbone.quantization != "none" and precision in ("bf16-true", "16-true"):
            raise ConfigError(
                "trainer.precision: quantized weights have their own number type",
                value=precision,
                expected="bf16-mixed, 16-mixed or 32-true with backbone.quantization",
                next_step=f"Set --trainer.precision {precision.replace('true', 'mixed')}.",
            )
        if isinstance(getattr(self._trainer, "strategy", None), FSDPStrategy):
            check_shardable(
                {
                    "backbone.quantization": self.backbone.quantization != "none",
                    "lora.dora": self.lora is not None and self.lora.dora,
                }
            )
        if self.vocab_size is None:
            self.vocab_size = len(load_tokenizer(self.tokenizer_name))
        strategy = getattr(self._trainer, "strategy", None)
        device = strategy.root_device.type if strategy is not None else None
        self.model = load_backbone(self.backbone, self.vocab_size, self.seed, device)
        self.base_record = describe_base(self.model, self.backbone.model)
        start = self.start_from
        if start is not None and self.lora is not None and is_adapter(start):
            self.adapter, start = start, None
        self._attach()
        if start is not None:
            load_start(start, self.trained(), self.fingerprint())
        mark_units(self.model)

    def _attach(self) -> None:
        if self.lora is None:
            return
        if self.adapter is None:
            attach_adapter(self.model, self.lora, seed=self.seed)
            return
        # The first values come from the folder: an init must not change the base weights.
        self.lora = replace(self.lora, init="default")
        state = read_adapter(self.adapter, self.model, self.lora, self.fingerprint())
        attach_adapter(self.model, self.lora, seed=self.seed)
        load_adapter_state(self.model, state)

    def configure_optimizers(self) -> Any:
        """The optimizer, and the schedule over ``trainer.max_steps``."""
        with located("model", ".", ConfigError):
            optimizer = build_optimizer(self.model, self.optimizer_config)
        self._group_options = group_options(optimizer)
        shape = self.schedule_config
        if self.trainer.fast_dev_run:  # of so few steps that a warm-up would not end
            shape = replace(shape, warmup_steps=0, warmup_ratio=0.0)
        schedule = build_schedule(optimizer, shape, self.trainer.max_steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Lightning's; under FSDP, where no process has whole gradients, FSDP's own norm."""
        model = self.trainer.strategy.model
        if is_sharded(model) and gradient_clip_val and gradient_clip_algorithm in (None, "norm"):
            model.clip_grad_norm_(gradient_clip_val)
            return
        self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Make dropout a function of (seed, batch), so that a resumed run repeats it."""
        place = (self.current_epoch, batch_idx, self.global_rank)
        torch.manual_seed(derive(self.seed, "dropout", *place))

    def compute_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, int]:
        """Return the loss of a batch, in training, validation and test-time fine-tuning alike.

        A subclass may override it; a loss that needs the model and the batch alone is easier to
        write as ``loss_fn``.

        Args:
            batch: as the class describes; its tensors lie on the model's device.

        Returns:
            The mean over the scored tokens (a scalar with a gradient), and their number.
        """
        return self.loss_fn(self.model, batch)

    @property
    def custom_loss(self) -> dict[str, object] | None:
        """What is used in place of the cross entropy, as plain values; None where nothing is."""
        if type(self).compute_loss is not LoRAModule.compute_loss:
            return {"class_path": f"{class_path(type(self))}.compute_loss"}
        return None if type(self.loss_fn) is CrossEntropy else self.loss_fn.describe()

    def training_step(self, batch: Mapping[str, Tensor], batch_idx: int) -> Tensor:
        """Return the mean loss of one batch, in nats a scored token.

        Each of several processes, and each of several accumulated batches, returns its share: the
        gradient of an optimizer step is that of the mean over the scored tokens of all. What is
        logged is this mean, once a step.
        """
        loss, scored = self.compute_loss(batch)
        mean, tokens = loss.detach(), _real_tokens(batch)
        processes = self.trainer.world_size
        if self.trainer.accumulate_grad_batches > 1:
            return self._step.add(loss, scored, tokens, self._over_processes)
        if processes > 1:
            nats, all_scored, tokens = self._over_processes(counts(mean * scored, scored, tokens))
            all_scored = all_scored.clamp(min=1)
            mean = (nats / all_scored).to(loss.dtype)
            loss = loss * (scored * processes / all_scored).to(loss.dtype)
        self._log_step(mean, tokens)
        return loss

    def on_after_backward(self) -> None:
        """Weigh the accumulated batches by their scored tokens, after the last one of a step."""
        trainer = self.trainer
        if self._step and not trainer.fit_loop._should_accumulate():
            parts, processes = trainer.accumulate_grad_batches, trainer.world_size
            self._log_step(
                *self._step.close(self.parameters(), parts, processes, self._over_processes)
            )

    def validation_step(
        self, batch: Mapping[str, Tensor], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count towards ``val_loss``, the mean over all scored tokens of all batches."""
        self._evaluate(batch)

    def test_step(
        self, batch: Mapping[str, Tensor], batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Count towards ``test_loss``, the mean over all scored tokens of all batches."""
        self._evaluate(batch)

    def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Nothing: callbacks answer the tasks of a task batch."""

    def on_validation_epoch_end(self) -> None:
        """Log ``val_loss``."""
        self._log_evaluated("val_loss")

    def on_test_epoch_end(self) -> None:
        """Log ``test_loss``."""
        self._log_evaluated("test_loss")

    def _evaluate(self, batch: object) -> None:
        if not isinstance(batch, Mapping):
            return
        with torch.no_grad():
            loss, scored = self.compute_loss(batch)
        self._nats, self._scored = self._nats + loss * scored, self._scored + scored

    def _log_evaluated(self, name: str) -> None:
        """Log the mean. (Lightning's own, over processes, rounds their numbers of tokens.)"""
        sums = torch.tensor([float(self._nats), self._scored], dtype=torch.float64)
        nats, scored = self._over_processes(sums.to(self.device))
        self._nats, self._scored = 0.0, 0
        if scored:
            # Equal on all processes already; Lightning asks for sync_dist all the same.
            self.log(name, nats.float() / scored.float(), prog_bar=True, sync_dist=True)

    def _over_processes(self, sums: Tensor) -> Tensor:
        """The sums over all processes of ``sums``, in place."""
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(sums)
        return sums

    def _log_step(self, mean: Tensor, tokens: int | Tensor) -> None:
        """Log a step's mean loss, its tokens a second since the last step, and its learning rate.

        Loss and tokens are those of all processes.
        """
        self.log("train_loss", mean, prog_bar=True)
        now = time.perf_counter()
        if self._clock:
            self.log("tokens_per_s", tokens / (now - self._clock), prog_bar=True)
        self._clock = now
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_start(self) -> None:
        """Start the clock of ``tokens_per_s``, and the first step, at its own learning rate."""
        check_accumulation(self.trainer)
        self._clock = 0.0
        self._step = AccumulatedStep()
        if self.trainer.ckpt_path is not None and self._group_options:
            schedules = (config.scheduler for config in self.trainer.lr_scheduler_configs)
            set_group_options(schedules, self._group_options)

    def on_validation_end(self) -> None:
        """Leave validation out of ``tokens_per_s``."""
        self._clock = 0.0

    def fingerprint(self) -> Fingerprint:
        """What this run trains on; its text is the datamodule's ``text_fingerprint``, if any."""
        datamodule = getattr(self._trainer, "datamodule", None)
        return make_fingerprint(
            self.base_record, self.lora, getattr(datamodule, "text_fingerprint", None)
        )

    def trained(self) -> dict[str, Tensor]:
        """The trained parameters by their name in this module's state dict."""
        return plain_names({name: p for name, p in self.named_parameters() if p.requires_grad})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep only what is trained, and say what it is."""
        state = checkpoint["state_dict"]
        # Under FSDP the first process has all of it and the others, which write nothing, none.
        if state:
            checkpoint["state_dict"] = {name: state[name] for name in self.trained()}
        checkpoint[CHECKPOINT_RECORD] = self.fingerprint()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint of something else before anything is loaded."""
        fitting = getattr(self._trainer, "training", False)
        if fitting and self.start_from is not None:
            raise ConfigError(
                "model.start_from: the run goes on from a checkpoint of its own",
                value=self.start_from,
                expected="either --model.start_from or --ckpt_path",
                next_step="To go on, set --model.start_from null; to start anew from the other "
                "run's weights, leave out --ckpt_path.",
            )
        self.configure_model()
        if CHECKPOINT_RECORD not in checkpoint:
            raise CheckpointError(
                "checkpoint: not written by arcflow",
                value=sorted(map(str, checkpoint)),
                expected=f"a record {CHECKPOINT_RECORD!r}",
                next_step="Use a checkpoint of arcflow fit.",
            )
        check_fingerprint("checkpoint", checkpoint[CHECKPOINT_RECORD], self.fingerprint())
        if "state_dict" in checkpoint:  # FSDP has loaded the tensors, and taken them out
            check_tensors("checkpoint", checkpoint["state_dict"], self.trained())

    def export(self, folder: str | Path) -> Path:
        """Write what was trained: the adapter in PEFT's format, or the whole model."""
        if self.lora is None:
            return self.merge(folder)
        with whole_folder(folder) as new:
            export_adapter(self.model, new, self.lora, self.fingerprint(), DEFAULT_ADAPTER)
        return Path(folder)

    def merge(self, folder: str | Path) -> Path:
        """Write a full model folder, adapter merged, tokenizer included."""
        tokenizer, record = load_tokenizer(self.tokenizer_name), self.fingerprint()
        with whole_folder(folder) as new, no_progress_bars():
            merge_and_export(self.model, new, tokenizer=tokenizer, record=record)
        return Path(folder)


def _real_tokens(batch: Mapping[str, Tensor]) -> int:
    """Tokens of a batch, padding aside."""
    mask = batch.get("attention_mask")
    return batch["input_ids"].numel() if mask is None else int(mask.sum())
