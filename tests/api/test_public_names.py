"""``import arcflow``: about 25 names, each documented, and nothing heavy before it is needed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import arcflow

NAMES = [name for name in arcflow.__all__ if name != "__version__"]
HEAVY = "('torch', 'lightning', 'transformers', 'peft', 'numpy', 'matplotlib', 'jsonargparse')"
LIGHT = ("Grid", "Task", "load_tasks", "vote", "score", "draw", "Sandbox", "Candidate")


def child(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    value = getattr(arcflow, name)
    if callable(value):  # Grid is an alias of an array type
        assert value.__doc__
    assert name in dir(arcflow)
    assert getattr(arcflow, name) is value


def test_they_are_about_25() -> None:
    assert 23 <= len(NAMES) <= 29
    assert len(set(NAMES)) == len(NAMES)


def test_the_stub_has_the_same_names_from_the_same_modules() -> None:
    stub = ast.parse(Path(arcflow.__file__).with_suffix(".pyi").read_text())
    found = {
        alias.asname: str(node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert found == {name: f"arcflow.{module}" for name, module in arcflow._HOME.items()}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'arcflow' has no attribute 'tune'"):
        _ = arcflow.tune  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_heavy_and_takes_no_time() -> None:
    out = child(
        "import sys, time\n"
        "start = time.process_time()\n"
        "import arcflow\n"
        "dir(arcflow)\n"
        "print(time.process_time() - start)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    seconds, heavy = out.splitlines()
    assert heavy == "[]"
    assert float(seconds) < 0.2


def test_light_names_need_no_torch() -> None:
    out = child(
        "import sys, arcflow\n"
        f"for name in {LIGHT}: getattr(arcflow, name)\n"
        "print({'torch', 'lightning', 'transformers'} & set(sys.modules))"
    )
    assert out.strip() == "set()"


def test_folders_of_numpy_tests_start_without_torch() -> None:
    folders = ["core", "sandbox", "studies", "tools"]
    out = child(
        "import sys, pytest\n"
        f"code = pytest.main(['--collect-only', '-qq', *[f'tests/{{f}}' for f in {folders}]])\n"
        "print(int(code), {'torch', 'lightning', 'transformers'} & set(sys.modules))"
    )
    assert out.splitlines()[-1] == "0 set()"
