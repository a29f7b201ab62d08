"""The wheel is all that a user needs: the package, its data, the configs and the license."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
MANIFEST = (ROOT / "MANIFEST.in").read_text()
GRAFTED = [name for name in re.findall(r"^graft (.+)$", MANIFEST, re.M) if (ROOT / name).is_dir()]
"""The folders of a source distribution, besides the package."""

pytestmark = pytest.mark.slow


def files(folder: Path, below: str) -> Iterator[str]:
    """Yield the paths, in ``folder``, of all files below one of its folders."""
    for path in (folder / below).rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix()


def configs() -> list[str]:
    return sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment without what would lead Python to the repository."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | more


def run(*words: str | Path, at: Path, **more: str) -> str:
    """Run a command in a folder, and return what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        cwd=at,
        env=clean_environment(**more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository's files: setuptools builds in the folder it is given."""
    folder = tmp_path_factory.mktemp("clone")
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, folder)
    ignore = shutil.ignore_patterns("__pycache__", "reference")
    for name in ("arcflow", *GRAFTED):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    return folder


@pytest.fixture(scope="module")
def archive(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    code = f"from setuptools import build_meta; build_meta.build_sdist({str(folder)!r})"
    run(sys.executable, "-W", "error::UserWarning", "-c", code, at=clone)
    [archive] = folder.glob("arcflow-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def wheel(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution: one that lacks a file shows it here."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, archive, at=folder)
    [wheel] = folder.glob("arcflow-*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment's Python: the wheel, and after it what is installed here."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", at=folder)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    run(*pip, "install", "--no-index", "--no-deps", wheel, at=folder)
    installed = {path for path in sys.path if path.endswith("site-packages")}
    installed.add(sysconfig.get_path("purelib"))
    # Lines that are paths alone: an editable installation's own .pth file there is not read.
    Path(site.strip(), "installed_here.pth").write_text("\n".join(sorted(installed)))
    return python


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def test_the_wheel_has_every_file_and_no_other(wheel: Path, clone: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    assert names == {*files(clone, "arcflow"), *(f"arcflow/configs/{name}" for name in configs())}
    assert {"arcflow/py.typed", "arcflow/configs/quickstart.yaml"} <= names


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        [metadata] = [name for name in opened.namelist() if name.endswith("/METADATA")]
        fields = HeaderParser().parsestr(opened.read(metadata).decode())
        license_text = opened.read(metadata.replace("METADATA", "licenses/LICENSE"))
    assert license_text == (ROOT / "LICENSE").read_bytes()
    assert (fields["Name"], fields["License-Expression"]) == ("arcflow", "Apache-2.0")
    assert fields["Author"] == "The arcflow authors"
    assert fields["Summary"]
    assert "LoRA" in fields["Keywords"]
    assert "Typing :: Typed" in fields.get_all("Classifier", [])


def test_the_source_distribution_can_be_tested(archive: Path, clone: Path) -> None:
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"configs", "docs", "tests"} <= set(GRAFTED)
    for folder in GRAFTED:
        assert set(files(clone, folder)) - names == set()
    assert {"LICENSE", "CITATION.cff", "Makefile", "constraints.txt", ".ci/run"} <= names


def test_the_wheel_is_what_is_imported(python: Path, empty: Path) -> None:
    code = "import arcflow, torch; print(arcflow.__file__); print(arcflow.__version__)"
    file, version = run(python, "-c", code, at=empty).splitlines()
    assert Path(file).is_relative_to(python.parents[1])
    assert f'__version__ = "{version}"' in (ROOT / "arcflow" / "__init__.py").read_text()


def test_the_installed_configs_are_found(python: Path, empty: Path) -> None:
    code = """
from arcflow.core.shipped_configs import config_folder, config_names, find_config
print(config_folder())
print(*config_names())
print(find_config("engine/vllm"))
"""
    folder, names, vllm = run(python, "-c", code, at=empty).splitlines()
    assert Path(folder).is_relative_to(python.parents[1])
    assert sorted(f"{name}.yaml" for name in names.split()) == configs()
    assert Path(vllm).read_bytes() == (CONFIGS / "engine" / "vllm.yaml").read_bytes()


def test_init_copies_the_installed_configs(python: Path, empty: Path) -> None:
    code = "import sys; from arcflow.tools.init import main; sys.exit(main(['mine']))"
    assert "arcflow fit -c mine/configs/quickstart.yaml" in run(python, "-c", code, at=empty)
    copies = empty / "mine" / "configs"
    found = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*.yaml"))
    assert found == configs()


def test_the_command_helps_and_shows_a_task(python: Path, empty: Path) -> None:
    assert "usage: arcflow COMMAND" in run(python, "-m", "arcflow", "--help", at=empty)
    assert "usage: arcflow COMMAND" in run(python.parent / "arcflow", "--help", at=empty)
    assert run(python, "-m", "arcflow", "show", "00d62c1b", at=empty)


def test_the_package_reads_its_data(python: Path, empty: Path) -> None:
    """A run's options parse with an installed config: templates and tables are found."""
    code = """
from importlib.resources import files
from pathlib import Path
package = Path(str(files("arcflow")))
print(len(list(package.rglob("*.jinja"))), len(list(package.rglob("*.json"))))
"""
    here = ROOT / "arcflow"
    found = [int(word) for word in run(python, "-c", code, at=empty).split()]
    assert found == [len(list(here.rglob(f"*.{kind}"))) for kind in ("jinja", "json")]
    assert min(found) > 0
    install = run(python, "-c", "import arcflow; print(arcflow.__path__[0])", at=empty).strip()
    config = Path(install, "configs", "quickstart.yaml")
    words = ("fit", "-c", config, "--print_config")
    assert "class_path" in run(python, "-m", "arcflow", *words, at=empty)
