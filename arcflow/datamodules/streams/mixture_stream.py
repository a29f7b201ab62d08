"""MixtureStream: several streams as one, each with a weight."""

from collections.abc import Mapping, Sequence

from arcflow.core.interleave import VERSION, Interleave
from arcflow.datamodules.streams.task_stream import TaskStream
from arcflow.text.encode import Example


class MixtureStream:
    """An endless stream of the samples of several streams, numbered 0, 1, 2, ... (invariant 1).

    Each number belongs to one part, and every part gives all of its own samples in order.
    Resuming needs no state of the parts.

    Args:
        parts: The stream of each part, by name.
        weights: The weight of each part, 0 or more, not all 0.
        seed: The seed of the order.
    """

    def __init__(
        self, parts: Mapping[str, TaskStream], weights: Mapping[str, float], seed: int
    ) -> None:
        self.max_tokens = max(stream.max_tokens for stream in parts.values())
        self._names: Sequence[str] = [name for name in parts if weights[name]]
        self._parts = [parts[name] for name in self._names]
        self._interleave = Interleave([weights[name] for name in self._names])
        self._seed = seed

    def sample(self, index: int) -> Example | None:
        """Return the sample with this number, or None if that part's sample fits no context."""
        part, own = self._interleave.at(self._seed, index)
        return self._parts[part].sample(own)

    def part(self, index: int) -> str:
        """Return the name of the sample's part, and the sample's origin within that part."""
        part, own = self._interleave.at(self._seed, index)
        return f"{self._names[part]}: {self._parts[part].part(own)}"

    def fingerprint(self) -> dict[str, str]:
        """Return what the samples depend on: the parts' shares and fingerprints."""
        found = {"order of the parts": f"version {VERSION}", "mixture seed": str(self._seed)}
        for name, share, stream in zip(
            self._names, self._interleave.shares, self._parts, strict=True
        ):
            found[f"{name} share"] = repr(share)
            found |= {f"{name} {key}": value for key, value in stream.fingerprint().items()}
        return found
