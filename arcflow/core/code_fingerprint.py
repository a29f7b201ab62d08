"""Digests of source code, for records of the code that a run depends on."""

import functools
import hashlib
from importlib.util import find_spec
from pathlib import Path


@functools.cache
def code_fingerprint(*names: str) -> str:
    """Return a digest of the sources of modules, and of all modules in packages.

    Only the packages around the modules are imported. Equal sources give equal digests wherever
    they are installed.

    Args:
        names: The dotted names of modules or packages, e.g. ``"arcflow.omniarc.dsl"``.

    Returns:
        A BLAKE2b digest of 16 bytes, as 32 hexadecimal digits.

    Raises:
        ModuleNotFoundError: A module does not exist, or has no source file.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"no module {name} with a source", name=name)
        path = Path(spec.origin)
        is_package = spec.submodule_search_locations is not None
        files = sorted(path.parent.rglob("*.py")) if is_package else [path]
        for file in files:
            source = file.read_bytes()
            place = file.relative_to(path.parent).as_posix()
            digest.update(f"{name} {place} {len(source)}\0".encode() + source)
    return digest.hexdigest()
