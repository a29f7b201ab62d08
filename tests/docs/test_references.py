"""What the documents name exists: paths, modules, classes, options of commands, links."""

import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcflow.cli.main import RUNS, TOOLS
from tests.cli.test_main import call
from tests.helpers.paths import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"(?<![\w./-])(?:arcflow|tests|configs|docs|benchmarks)/[\w./-]*\w")
DOTTED = re.compile(r"(?<![\w./-])arcflow\.[a-z_]+(?:\.\w+)*")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROOM = re.compile(
    r"(?<![\w./-])(?:core|scoring|sources|text|viz|sandbox|omniarc|engines|datamodules|modules|"
    r"ttft|evaluation|callbacks|cli|tools|studies)/[\w/]+\.py"
)
"""A path as the architecture page writes it, without ``arcflow/``."""

EXAMPLES = {"benchmarks/NAME.py", "configs/studies/NAME", "configs/studies/NAME.yaml"}
"""Paths that stand for a file of the reader's own."""

COMMAND_PAGES = (
    "README.md",
    "docs/training.md",
    "docs/evaluation.md",
    "docs/counting.md",
    "docs/smollm2.md",
)
"""Pages whose commands must parse; the walk-through of Kaggle has a test of its own."""


def test_the_pages_are_found() -> None:
    assert {"README.md", "architecture.md", "evaluation.md", "training.md", "data.md"} <= {
        page.name for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    text = page.read_text()
    named = set(PATH.findall(text)) - EXAMPLES
    named |= {f"arcflow/{path}" for path in ROOM.findall(text)}
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_names_exist(page: Path) -> None:
    named = {
        name for name in DOTTED.findall(page.read_text()) if not name.endswith((".py", ".whl"))
    }
    assert sorted(name for name in named if not exists(name)) == []


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError:
            continue
        for part in parts[n:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(outside_fences(page.read_text())):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def outside_fences(text: str) -> str:
    """The text without its fenced blocks, in which brackets mean something else."""
    return re.sub(r"^(`{3,})[^\n]*\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", outside_fences(page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_prose_fits_a_line_of_120(page: Path) -> None:
    prose = outside_fences(page.read_text()).splitlines()
    long = [line for line in prose if len(line) > 120 and not line.startswith(("|", "    "))]
    assert long == []


def test_the_readme_fits_120_lines_of_120() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 120
    assert max(map(len, lines)) <= 120


def commands() -> Iterator[list[str]]:
    """Every ``arcflow`` command in the fenced blocks of :data:`COMMAND_PAGES`, once."""
    seen = set()
    for name in COMMAND_PAGES:
        for block in re.findall(r"```bash\n(.*?)```", (ROOT / name).read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = tuple(shlex.split(line, comments=True))
                if words[:1] == ("arcflow",) and words not in seen:
                    seen.add(words)
                    yield list(words[1:])


COMMANDS = list(commands())


@pytest.mark.parametrize("words", [w for w in COMMANDS if w[0] in RUNS], ids=" ".join)
def test_commands_that_run_a_model_parse(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    if any(word.endswith("help") for word in words):
        assert call(words) == 0
        assert "--" in capsys.readouterr().out
        return
    assert call([*words, "--print_config"]) == 0
    assert "max_steps:" in capsys.readouterr().out


def test_every_command_is_known() -> None:
    assert {words[0] for words in COMMANDS} <= {*RUNS, *TOOLS}


def test_the_architecture_has_all_packages_layers_and_types() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    packages = {f"arcflow/{path.parent.name}/" for path in (ROOT / "arcflow").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"^\| `(arcflow/\w+/)` \|", text, re.MULTILINE))

    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [contract] = [found for found in linter["contracts"] if found["type"] == "layers"]
    layers = [layer.replace("arcflow.", "") for layer in contract["layers"]]
    section = text.partition("## Layers")[2].partition("## Types")[0]
    assert re.findall(r"^    (.+)$", section, re.MULTILINE) == layers

    rows = re.findall(r"^\| (`[A-Z][^|]*) \| `([\w/]+\.py)` \|", text, re.MULTILINE)
    assert len(rows) > 20
    for names, path in rows:
        source = (ROOT / "arcflow" / path).read_text()
        for name in re.findall(r"`(\w+)`", names):
            assert re.search(rf"^(class {name}\b|{name}(: TypeAlias)? = )", source, re.MULTILINE)
