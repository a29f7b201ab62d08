"""The documentation site builds strictly, and has a place for everything it should have."""

import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the extra `docs` is not installed")

ROOT = Path(__file__).parents[1]
[COMMAND] = re.findall(r"^DOCS := \$\(BIN\)/python (.*)$", (ROOT / "Makefile").read_text(), re.M)

SMALL = {
    "README.md": "# Small\n\n[Pairs](docs/guide.md#pairs) and [rules](CONTRIBUTING.md).\n",
    "CONTRIBUTING.md": "# Rules\n\n## Naming\n",
    "CHANGELOG.md": "# Changes\n",
    "LICENSE": "Free.\n",
    "configs/quick.yaml": "steps: 3\n",
    "configs/engine/fast.yaml": "engine: fast\n",
    "benchmarks/speed.py": "",
    "docs/index.md": "# Small\n\n```{toctree}\n:glob:\n*\nreference/*\n```\n",
    "docs/start.md": "```{include} ../README.md\n```\n",
    "docs/contributing.md": "```{include} ../CONTRIBUTING.md\n```\n",
    "docs/changelog.md": "```{include} ../CHANGELOG.md\n```\n",
    "docs/glossary.md": "# Glossary\n",
    "docs/architecture.md": "# Architecture\n",
    "docs/guide.md": """# Guide

## Pairs

[the start](../README.md), [how to name](../CONTRIBUTING.md#naming),
[fast](../configs/engine/fast.yaml), [all configs](../configs), [the license](../LICENSE),
[a module](../arcflow/part/work.py), [a package](../arcflow/part), [speed](../benchmarks).
""",
    "arcflow/__init__.py": '"""A small package."""\n\n__version__ = "1.2.3"\n',
    "arcflow/part/__init__.py": '''"""A part: see :class:`Box`."""

from arcflow.part.work import Box, SIDES

__all__ = ["SIDES", "Box"]
''',
    "arcflow/part/_private.py": "raise RuntimeError\n",
    "arcflow/part/work.py": '''"""Work on boxes."""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

T = TypeVar("T")
SIDES = 4
"""How many: four."""


class Size(NamedTuple):
    """A size.

    Attributes:
        height: in cells.
    """

    height: int


@dataclass
class Box:
    """A box.

    Attributes:
        cells: what is in it.
        notes: what was said of it.
    """

    cells: NDArray[np.int8]
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def area(self) -> int:
        """Cells: all of them."""
        return self.cells.size


def fill(box: Box, value: T, where: ArrayLike) -> T:
    """Fill a box with "```" marks, up to :data:`SIDES`.

    Returns:
        The value: unchanged.

    Raises:
        ValueError: It is full.
    """
    return value
''',
    "arcflow/omniarc/__init__.py": '"""Programs."""\n',
    "arcflow/omniarc/tasks/__init__.py": "raise RuntimeError\n",
}
"""A repository with one of everything that the site's extensions deal with."""


def build(repository: Path) -> subprocess.CompletedProcess[str]:
    """Build as ``make docs`` does, in ``repository``."""
    words = [sys.executable, *COMMAND.split()]
    return subprocess.run(words, cwd=repository, capture_output=True, text=True, check=False)


def names(repository: Path) -> set[str]:
    """Return every name that the built site describes: Python's objects, labels and terms."""
    inventory = (repository / "build" / "docs" / "objects.inv").read_bytes()
    lines = zlib.decompress(inventory.split(b"\n", 4)[4]).decode().splitlines()
    return {re.split(r" (?:py|std):", line)[0] for line in lines}


def links(repository: Path, page: str) -> dict[str, str]:
    """Return the text and target of each link of a page."""
    html = (repository / "build" / "docs" / f"{page}.html").read_text()
    found = re.findall(r'<a class="reference[^>]*? href="([^"]*)"[^>]*>(.*?)</a>', html, re.S)
    return {re.sub("<[^>]*>", "", text).strip(): target for target, text in found}


def make_small(repository: Path) -> Path:
    """Make the small repository, with the site's settings and extensions of this one."""
    write(repository, SMALL)
    shutil.copy(ROOT / "docs" / "conf.py", repository / "docs")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "docs" / "_ext", repository / "docs" / "_ext", ignore=ignore)
    return repository


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small repository, its site built."""
    repository = make_small(tmp_path_factory.mktemp("small"))
    done = build(repository)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return repository


def test_links_of_a_guide_lead_to_pages(small: Path) -> None:
    guide = links(small, "guide")
    part = "reference/arcflow.part.html#module-arcflow.part"
    expected = {
        "the start": "start.html",
        "how to name": "contributing.html#naming",
        "fast": "reference/configs.html#config-engine-fast",
        "all configs": "reference/configs.html",
        "a module": f"{part}.work",
        "a package": part,
    }
    assert {text: guide[text] for text in expected} == expected
    assert guide["the license"].startswith("_downloads/")
    assert (small / "build" / "docs" / guide["the license"]).read_text() == "Free.\n"
    # A folder that has no page is text.
    assert "speed" not in guide
    start = links(small, "start")
    assert (start["Pairs"], start["rules"]) == ("guide.html#pairs", "contributing.html")


def test_the_reference_reads_docstrings_as_they_are_meant(small: Path) -> None:
    found = names(small)
    assert {"arcflow.part.work.fill", "arcflow.part.work.Box.area", "config-quick"} <= found
    assert not any("_private" in name or "tasks" in name for name in found)
    page = (small / "build" / "docs" / "reference" / "arcflow.part.html").read_text()
    text = " ".join(re.sub(r"<[^>]*>", "", page).replace("&quot;", '"').split())
    # Words before a colon are no type, a fence is no markup.
    assert "How many: four." in text
    assert "Cells: all of them." in text
    assert "The value: unchanged." in text
    assert 'Fill a box with "```" marks' in text
    # Arrays as the source writes them; defaults without a text; no word on `object`.
    assert "cells: NDArray[int8]" in text
    assert "where: ArrayLike" in text
    assert "notes: dict[str, int] = ..." in text
    assert "Bases: object" not in text
    assert "Alias for field number" not in text
    assert text.count("Names of this package: Box") == 1
    assert links(small, "reference/arcflow.part")["Box"] == "#arcflow.part.work.Box"


MISTAKES = (
    ("docs/guide.md", "[x](nowhere.md)", "cross-reference target not found: 'nowhere.md'"),
    ("docs/guide.md", "[x](../configs/no.yaml)", "target not found: '../configs/no.yaml'"),
    ("docs/guide.md", "[x](architecture.md#no)", "local id not found in doc 'architecture'"),
    ("docs/guide.md", "{term}`nonsense`", "term not in glossary: 'nonsense'"),
    ("README.md", "[x](lost.md)", "cross-reference target not found: 'lost.md'"),
    ("arcflow/a.py", '"""See :class:`Bx`."""', "reference target not found: Bx"),
    ("arcflow/b.py", '"""*x"""', "Inline emphasis start-string without end-string"),
    ("arcflow/c.py", "import nowhere", "No module named 'nowhere'"),
)
"""File, what is added to it, and what Sphinx says of it."""


def test_what_leads_nowhere_fails(tmp_path: Path) -> None:
    repository = make_small(tmp_path)
    for file, text, _ in MISTAKES:
        with (repository / file).open("a") as opened:
            opened.write(f"\n{text}\n")
    done = build(repository)
    assert done.returncode == 1
    missed = [warning for _, _, warning in MISTAKES if warning not in done.stderr]
    assert (missed, done.stderr.count("WARNING")) == ([], len(MISTAKES))


@pytest.mark.slow
def test_a_moved_module_needs_no_change(tmp_path: Path) -> None:
    repository = make_small(tmp_path)
    assert build(repository).returncode == 0
    package = repository / "arcflow"
    write(package, {"room/__init__.py": '"""A room."""\n'})
    (package / "part" / "work.py").rename(package / "room" / "chores.py")
    (repository / "configs" / "quick.yaml").rename(repository / "configs" / "slow.yaml")
    for path in (package / "part" / "__init__.py", repository / "docs" / "guide.md"):
        text = path.read_text().replace("part.work", "room.chores")
        path.write_text(text.replace("part/work", "room/chores"))
    done = build(repository)
    assert (done.returncode, done.stderr) == (0, "")
    found = names(repository)
    assert {"arcflow.room.chores.fill", "config-slow"} <= found
    assert not {"arcflow.part.work.fill", "config-quick"} & found


def public_modules() -> set[str]:
    """Return the names of all modules that the reference must have."""
    paths = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "arcflow").rglob("*.py"))
    modules = {".".join(path.parts).removesuffix(".__init__") for path in paths}
    return {
        name
        for name in modules
        if "._" not in name and not name.startswith("arcflow.omniarc.tasks")
    }


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    ignore = shutil.ignore_patterns("__pycache__", "reference")
    # Guides may link to any of these.
    for name in ("arcflow", "benchmarks", "configs", "docs", "examples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    done = build(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    site = tmp_path / "build" / "docs"
    found = names(tmp_path)
    assert len(public_modules()) > 100
    assert public_modules() - found == set()
    assert {"arcflow.core.grid.make_grid", "arcflow.core.task.Task.without_answers"} <= found
    assert {"config-quickstart", "config-engine-vllm", "task", "leave-one-out", "pass_n"} <= found
    guides = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in site.glob("*.html")} >= guides
