"""The scaled rotary embeddings of Llama 3.1, which GGUF files hold as a tensor of divisors.

transformers leaves this tensor out, and the model would be another one at long distances. Its
numbers tell the scaling: M. Dubey et al., The Llama 3 Herd of Models, arXiv:2407.21783, and the
formula of transformers' ``rope_type: llama3``.
"""

import math
import struct
from pathlib import Path
from typing import Any

from arcflow.modules.gguf.header import GGUFHeader

FACTORS = "rope_freqs.weight"
"""The name of the tensor: for each frequency, the number that divides it."""

_LOW, _HIGH, _LENGTH = 1.0, 4.0, 8192
"""Of every Llama from 3.1 on; only the largest divisor differs between them."""

_FLOAT32 = 0


def rope_parameters(path: Path, header: GGUFHeader) -> dict[str, Any] | None:
    """Return transformers' options of the scaling that a file's divisors stand for.

    Args:
        path: The file.
        header: Its header.

    Returns:
        The options, for ``rope_parameters`` of the model's configuration; None if there are no
        divisors, or if they are not those of Llama 3.1's formula.
    """
    theta = header.metadata.get(f"{header.architecture}.rope.freq_base")
    entry = header.tensors.get(FACTORS)
    if entry is None or entry.number_type != _FLOAT32 or not isinstance(theta, float):
        return None
    count = math.prod(entry.shape)
    with path.open("rb") as file:
        file.seek(header.data_start + entry.offset)
        found = struct.unpack(f"<{count}f", file.read(4 * count))
    options = {
        "rope_type": "llama3",
        "rope_theta": theta,
        "factor": max(found),
        "low_freq_factor": _LOW,
        "high_freq_factor": _HIGH,
        "original_max_position_embeddings": _LENGTH,
    }
    wanted = llama3_divisors(count, theta, max(found))
    same = all(math.isclose(a, b, rel_tol=1e-3) for a, b in zip(found, wanted, strict=True))
    return options if same else None


def llama3_divisors(count: int, theta: float, factor: float) -> list[float]:
    """Return by how much Llama 3.1 divides each frequency of its rotary embeddings.

    Args:
        count: The number of frequencies, half a head's size.
        theta: The base of the frequencies.
        factor: The divisor of the lowest ones.

    Returns:
        The divisors, from the highest frequency to the lowest.
    """
    divisors = []
    for i in range(count):
        turns = _LENGTH / (2 * math.pi * theta ** (i / count))  # within the first context's length
        share = min(max((turns - _LOW) / (_HIGH - _LOW), 0.0), 1.0)
        divisors.append(1 / ((1 - share) / factor + share))
    return divisors
