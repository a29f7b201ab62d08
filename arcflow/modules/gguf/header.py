"""The header of a GGUF file: what the model is, and where its tensors lie.

The format is specified at https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_STRING, _ARRAY = 8, 9
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""The letters of ``struct`` for the types of values that have a fixed size."""

_ALIGNMENT = 32


class GGUFError(ValueError):
    """An error that says in one line why a file is not a whole GGUF file."""


@dataclass(frozen=True)
class TensorEntry:
    """A tensor's entry in the header.

    Attributes:
        shape: The sizes, the last one contiguous, as in torch.
        number_type: The number of its type among those of ggml.
        offset: The place of its data, in bytes from the beginning of the data.
    """

    shape: tuple[int, ...]
    number_type: int
    offset: int


@dataclass(frozen=True)
class GGUFHeader:
    """All that a GGUF file holds beside its tensors' data.

    Attributes:
        metadata: Plain values by key, for example ``"llama.block_count"``.
        tensors: The tensors' entries by name.
        data_start: The place of the data, in bytes from the beginning of the file.
        size: The size of the file in bytes.
    """

    metadata: dict[str, Any]
    tensors: dict[str, TensorEntry]
    data_start: int
    size: int

    @property
    def architecture(self) -> str:
        """The name of the model's architecture, for example "llama"; "" if the file has none."""
        return str(self.metadata.get("general.architecture", ""))


def read_header(path: Path) -> GGUFHeader:
    """Read the header of a GGUF file; the tensors' data are not read.

    Args:
        path: The file.

    Raises:
        GGUFError: If it is not a GGUF file, is of an unknown version, or is damaged.
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise GGUFError("it does not begin as a GGUF file does")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).header()
            except (struct.error, UnicodeDecodeError, OverflowError, MemoryError) as error:
                raise GGUFError("its header is damaged or cut off") from error


class _Reader:
    """Reads values one after the other."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data, self._at = data, len(_MAGIC)

    def header(self) -> GGUFHeader:
        [version] = self._unpack("I")
        if version not in _VERSIONS:
            raise GGUFError(f"its version is {version}; 2 and 3 are known")
        n_tensors, n_values = self._unpack("QQ")
        metadata: dict[str, Any] = {}
        for _ in range(n_values):
            key = self._string()
            metadata[key] = self._value(*self._unpack("I"))
        tensors = {}
        for _ in range(n_tensors):
            name = self._string()
            [dimensions] = self._unpack("I")
            shape = self._unpack(f"{dimensions}Q")
            tensors[name] = TensorEntry(shape[::-1], *self._unpack("IQ"))
        step = metadata.get("general.alignment", _ALIGNMENT)
        if not isinstance(step, int) or step < 1:
            raise GGUFError(f"its alignment is {step!r}")
        start = -(-self._at // step) * step
        return GGUFHeader(metadata, tensors, start, len(self._data))

    def _unpack(self, letters: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{letters}", self._data, self._at)
        self._at += struct.calcsize(f"<{letters}")
        return values

    def _string(self) -> str:
        [length] = self._unpack("Q")
        end = self._at + length
        if end > len(self._data):
            raise GGUFError("its header is damaged or cut off")
        text = self._data[self._at : end].decode("utf-8")
        self._at = end
        return text

    def _value(self, kind: int) -> Any:
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY:
            raise GGUFError(f"its header has a value of the unknown type {kind}")
        inner, length = self._unpack("IQ")
        if length > len(self._data):  # each entry takes a byte at least
            raise GGUFError("its header is damaged or cut off")
        if inner in _SCALARS:
            return list(self._unpack(f"{length}{_SCALARS[inner]}"))
        if inner != _STRING:  # no model has arrays of arrays
            raise GGUFError(f"its header has an array of the unknown type {inner}")
        return [self._string() for _ in range(length)]
