"""adapter_config.json: the adapters of PEFT that mean here what they mean to PEFT.

PEFT writes all fields of its ``LoraConfig`` there, and many of them change what an adapter's
tensors mean. Each field is therefore listed here with the values that are understood. Everything
else is refused by field and value, so that what a later version of PEFT adds is refused too until
it is listed.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from arcflow.core.errors import CheckpointError
from arcflow.modules.lora.config import LoRAConfig

_log = logging.getLogger(__name__)

PEFT_CONFIG = "adapter_config.json"

DEFAULTS = {"r": 8, "lora_alpha": 8}
"""The values that PEFT takes for a field that the file lacks, where they are not just "off"."""

COMPARED = {
    "r": "rank",
    "lora_alpha": "alpha",
    "use_rslora": "rslora",
    "use_dora": "dora",
}
"""Fields that must agree with an option of ``model.lora``, by that option's name."""

FREE = frozenset(
    {
        # Where the file comes from, and which base model it names, which is compared elsewhere.
        "auto_mapping",
        "base_model_name_or_path",
        "peft_version",
        "revision",
        # How PEFT runs or trains it.
        "inference_mode",
        "lora_dropout",
        "runtime_config",
        # How first values were found; init_lora_weights says whether that touched the base.
        "eva_config",
        # Of no effect without use_qalora, which is refused.
        "qalora_group_size",
        # PEFT corrects it to what each layer is.
        "fan_in_fan_out",
        # Which layers have an adapter: the tensors are compared by name instead.
        "exclude_modules",
        "layers_pattern",
        "layers_to_transform",
        "target_modules",
    }
)
"""Fields that may have any value."""

KNOWN: dict[str, tuple[object, ...]] = {
    "bias": ("none",),
    # Others change the base weights at loading, or what is trained.
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva"),
    "megatron_core": ("megatron.core", None),
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM", None),
}
"""Fields that may have one of a few values."""

OFF = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "arrow_config",
    "corda_config",
    "ensure_weight_tying",
    "kasa_config",
    "layer_replication",
    "loftq_config",
    "lora_bias",
    "lora_ga_config",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "rank_pattern",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_qalora",
    "velora_config",
)
"""Fields that turn something on; they must be null, false or empty."""

_NOTHING: tuple[object, ...] = (None, False, [], {})


def check_peft_config(what: str, theirs: Mapping[str, Any], config: LoRAConfig) -> None:
    """Refuse an adapter that PEFT would compute otherwise than arcflow does.

    Args:
        what: What the adapter is called in messages.
        theirs: The content of its adapter_config.json.
        config: The LoRA options of this run.

    Raises:
        CheckpointError: If a field has a value that is not understood, or differs from the option
            of ``config`` that means the same.
    """
    fields = {"peft_type": None, **theirs}
    # What it is first: a reader learns more from another task's type than from what goes with it.
    for field in sorted(fields, key=lambda name: (name not in KNOWN, name)):
        value = fields[field]
        if field in FREE or field in COMPARED:
            continue
        if field in KNOWN:
            values, expected = KNOWN[field], " or ".join(map(repr, KNOWN[field]))
        elif field in OFF:
            values, expected = _NOTHING, f"an adapter without {field}"
        else:
            values, expected = (None,), "a field that arcflow knows"
        if not _among(value, values):
            raise CheckpointError(
                f"{what}: uses PEFT's {field}, which arcflow does not train",
                value=value,
                expected=expected,
                next_step=_next_step(field, value),
            )
    for field, name in COMPARED.items():
        _compare(what, field, theirs, name, getattr(config, name))


def check_base_name(what: str, theirs: Mapping[str, Any], *ours: str) -> None:
    """Refuse an adapter whose base model has another name.

    Args:
        what: What the adapter is called in messages.
        theirs: The content of its adapter_config.json.
        ours: The names of this run's base model: the user's, and the folder that it stands for.

    Raises:
        CheckpointError: If the last part of the adapter's name is that of none of them.
    """
    named = str(theirs.get("base_model_name_or_path") or "")
    if named and Path(named).name.lower() not in [Path(name).name.lower() for name in ours]:
        raise CheckpointError(
            f"{what}: trained on another base model",
            value=named,
            expected=ours[0],
            next_step=f"Set backbone.model to {named}, or, if both are the same model, correct "
            f"base_model_name_or_path in its {PEFT_CONFIG}.",
        )


def _compare(
    what: str, field: str, theirs: Mapping[str, Any], name: str, ours: float | bool
) -> None:
    if field in DEFAULTS and field not in theirs:
        _log.warning(
            "%s: its %s has no %s; PEFT's default, %d, is taken.",
            what,
            PEFT_CONFIG,
            field,
            DEFAULTS[field],
        )
    found = theirs.get(field, DEFAULTS.get(field, False))
    if isinstance(ours, bool):
        right = isinstance(found, bool) and found == ours
    else:
        number = isinstance(found, int | float) and not isinstance(found, bool)
        right = number and float(found) == float(ours)
        found = float(found) if number and name == "alpha" else found
    if not right:
        raise CheckpointError(
            f"{what}: trained with another lora.{name}",
            value=found,
            expected=f"{ours!r}, as configured",
            next_step=f"Set model.lora.{name} to {found!r}.",
        )


def _among(value: object, values: tuple[object, ...]) -> bool:
    """Return whether a value is one of several, where 0 and 1 are not false and true."""
    return any(value == known and type(value) is type(known) for known in values)


def _next_step(field: str, value: object) -> str:
    if field == "peft_type":
        return "Use a LoRA adapter that PEFT wrote."
    if field == "init_lora_weights":
        return (
            "Have PEFT write it as an adapter of the original weights: save_pretrained with "
            "path_initial_model_for_weight_conversion; or merge it into its base model and start "
            "a new adapter from there."
        )
    if field not in KNOWN and field not in OFF:
        return (
            f"If PEFT ignores this value, remove {field} from {PEFT_CONFIG}; otherwise merge the "
            "adapter into its base model with PEFT and start a new adapter from there."
        )
    return "Merge it into its base model and start a new adapter from there."
