"""The check whether the Hugging Face hub can be reached, made once for each name.

Without it, transformers would try for about a minute.
"""

import functools
from pathlib import Path

UNREACHABLE = "the hub cannot be reached, and no earlier download is on this machine"

_SECONDS = 10.0


def is_local(name: str) -> bool:
    """Return whether a name is looked for on this machine alone.

    That is so for a folder, and for any name while the hub is out of reach; earlier downloads then
    still load. Without this check transformers tries every file six times, also the optional ones
    that no download includes.

    Args:
        name: The name of a model or tokenizer as the user gave it.

    Returns:
        Whether the hub is not to be asked.
    """
    return Path(name).expanduser().is_dir() or not _answers(name)


@functools.cache
def _answers(name: str) -> bool:
    """Return whether the hub answers one request, through the configured proxy and endpoint."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=_SECONDS)
    except HfHubHTTPError as error:
        return error.response.status_code < 500  # the loader reports what the hub says
    except HFValidationError:
        return True
    except Exception:  # noqa: BLE001 (offline mode, or any error of its HTTP client)
        return False
    return True
