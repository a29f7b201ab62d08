"""What other libraries' errors about a user's mistake say to the user: one message."""

import errno
import re
from argparse import ArgumentError

from arcflow.core.errors import ArcflowError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOISE = re.compile(
    r"Subtypes: |Errors:$|Given value type: |Given value: (NestedArg|Namespace)\(|"
    r"Expected a path but .* either not accessible or invalid$|"
    r"Does not validate against any of the Union subtypes$|Expected an? NoneType$|"
    r"Subclass types expect one of:$|a class path \(str\)$|"
    r"a dict with(out)? (class_path|parameters)"
)


def user_message(error: BaseException, command: str = "fit") -> str | None:
    """The message of an error that a user can cause; None for every other.

    jsonargparse raises a ValueError of its own from the one that a class raised: what counts
    is the first error in the chain of causes that speaks of a mistake.

    Args:
        error: as it left the run, with its causes.
        command: what ran; its help is the next step where an option is wrong.
    """
    found: BaseException | None = error
    while found is not None:
        message = _message(found, command)
        if message is not None:
            return message
        found = found.__cause__
    return None


def _message(error: BaseException, command: str) -> str | None:
    if isinstance(error, ArcflowError):
        return str(error)
    if isinstance(error, ArgumentError):
        words = "generate inputs" if command == "generate" else command
        return f"{option_message(str(error))} See `arcflow {words} --help`."
    # Known by name: whoever raises it has imported Lightning, whoever does not need not.
    if type(error).__name__ == "MisconfigurationException":
        return (
            f"the trainer cannot work so: {' '.join(str(error).split()).rstrip('.')}. "
            "Correct the options under trainer."
        )
    if type(error) is ValueError and str(error).startswith("You set `devices="):
        return (
            f"the processes do not match the trainer: {error} Start as many as trainer.devices "
            "times trainer.num_nodes, or correct these."
        )
    if type(error).__module__.startswith("wandb.") and type(error).__name__ == "UsageError":
        return (
            f"Weights & Biases cannot log: {' '.join(str(error).split()).rstrip('.')}. Without an "
            "account or a network, add --trainer.logger.offline true."
        )
    installed = _installation_message(error)
    if installed is not None:
        return installed
    if type(error) is RuntimeError and str(error).startswith("Early stopping conditioned on"):
        return f"the trainer cannot work so: {str(error).rstrip('.')}. Correct monitor there."
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        return (
            f"a file of the run, such as its log, cannot be written: {error.strerror}. "
            "Make room in trainer.default_root_dir, and run the command again."
        )
    if isinstance(error, OSError) and error.filename is not None:
        return (
            f"{error.strerror}: got {str(error.filename)!r}. Expected a path that can be used so. "
            "Check the path, its permissions and the space there."
        )
    return None


def _installation_message(error: BaseException) -> str | None:
    """The message where packages are missing or do not fit each other; None for other errors."""
    missing = re.search(r"Requirement '(([\w-]+)[^']*)' not met", str(error))
    if missing is not None:
        return (
            f"a package is missing that these options need: got no {missing[2]}. "
            f"Expected {missing[1]}. Run `pip install {missing[2]}`, or leave the option out."
        )
    if isinstance(error, ModuleNotFoundError) or not isinstance(
        error, RuntimeError | AttributeError | OSError | ImportError
    ):
        return None
    if re.search(r"\b(torchvision|torchaudio|torchcodec)\b", str(error)) is None:
        return None
    return (
        f"a package beside torch does not fit it: {' '.join(str(error).split()).rstrip('.')}. "
        "vLLM's CPU build leaves torchvision, torchaudio and torchcodec for CUDA behind, which "
        "arcflow does not need. Run `pip uninstall -y torchvision torchaudio torchcodec`."
    )


def option_message(text: str) -> str:
    """jsonargparse's message about an option in one line, without its own inner types.

    Args:
        text: lines indented by depth; with alternatives that the user did not choose.
    """
    text = text.replace("typing.", "").strip()
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    lines = (re.sub(r"^(- )+", "", line.strip()) for line in text.splitlines())
    kept = [line for line in lines if line and not _NOISE.match(line)]
    # The same value within each option around it: the innermost says what is wrong, the
    # outermost where, as a name of a user's own is in no option's name.
    given = [line for line in kept if line.startswith("Given value: ")]
    between = given[0 if any("Got value: " in line for line in kept) else 1 : -1]
    kept = [line for line in kept if line not in between]
    joined = " ".join(line if line[-1] in ".:!?" else f"{line}." for line in kept or [text])
    # An option inside a class inside an option: one name, as on the command line.
    joined = re.sub(r"Problem with given class_path '[^']*': (?=Parser key)", "", joined)
    keys = re.match(r"(?:Parser key \"[^\"]*\":? )+", joined)
    if keys is None:
        return joined
    name = ".".join(re.findall(r"\"([^\"]*)\"", keys[0]))
    return f"option {name}: {joined[keys.end() :]}"
