"""Whether the Hugging Face hub answers: asked once, where transformers would ask for a minute."""

import functools
from pathlib import Path

UNREACHABLE = "the hub cannot be reached, and no earlier download is on this machine"

_SECONDS = 10.0


def is_local(name: str) -> bool:
    """Whether ``name`` is looked for on this machine alone: a folder, or the hub is out of reach.

    Out of reach, earlier downloads still load. Left to itself transformers tries every file six
    times, the optional ones that no download has included.

    Args:
        name: of a model or tokenizer, as the user gave it.
    """
    return Path(name).expanduser().is_dir() or not _answers(name)


@functools.cache
def _answers(name: str) -> bool:
    """One request, through the proxy and to the endpoint that are set for the hub."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=_SECONDS)
    except HfHubHTTPError as error:
        return error.response.status_code < 500  # what it says is the loader's to tell
    except HFValidationError:
        return True
    except Exception:  # noqa: BLE001 (offline mode, or errors of whichever HTTP client it has)
        return False
    return True
