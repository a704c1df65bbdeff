"""The rules of the house: floors, light imports, sizes."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "deepseek_fusion"
MODULES = sorted(PACKAGE.rglob("*.py"))
WORKROOMS = ("corpus", "curriculum", "training", "evaluation", "serving", "feedback")
FLOORS = {
    "__init__": 0,
    "core": 1,
    "models": 2,
    "knowledge": 3,
    **dict.fromkeys(WORKROOMS, 4),
    "tuning": 5,
    "teaching": 6,
    "doctor": 7,
    "pipeline": 7,
    "looking": 7,
    "cleaning": 7,
    "cli": 8,
    "__main__": 9,
}
HEAVY = {"accelerate", "gguf", "jinja2", "numpy", "peft", "safetensors", "tokenizers", "torch", "transformers"}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Full names of all modules imported anywhere in a file, except for type checking only."""
    for node in ast.walk(_without_type_checking(ast.parse(path.read_text(encoding="utf-8")))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _without_type_checking(tree: ast.Module) -> ast.Module:
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING")
    ]
    return tree


def rooms_used(path: Path) -> Iterator[str]:
    for name in imports(path):
        first, *rest = name.split(".")
        if first == "deepseek_fusion":
            yield rest[0] if rest and rest[0] in FLOORS else "__init__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_and_workrooms_never_meet(path: Path) -> None:
    here = room(path)
    for used in rooms_used(path):
        lower = FLOORS[used] < FLOORS[here]
        same_room = used == here
        together = {used, here} == {"doctor", "pipeline"}
        assert lower or same_room or together, f"{path.name} in {here} imports {used}"


def test_every_room_has_a_floor() -> None:
    assert {room(path) for path in MODULES} <= set(FLOORS)


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").glob("*.py")), ids=lambda path: path.name)
def test_core_knows_no_heavy_library(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY


@pytest.mark.parametrize("path", sorted((PACKAGE / "models").glob("*.py")), ids=lambda path: path.name)
def test_models_know_nothing_of_the_run_engine(path: Path) -> None:
    engine = {f"deepseek_fusion.core.{name}" for name in ("run", "versions")}
    assert not {name.rpartition(".")[0] for name in imports(path)} & engine


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "common", "helpers", "misc"}


def test_each_room_stays_small() -> None:
    for folder in {path.parent for path in MODULES} - {PACKAGE}:
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(files) <= 12, f"{folder.name} has {len(files)} files"


@pytest.mark.parametrize(
    "code",
    [
        "import deepseek_fusion; deepseek_fusion.Config; deepseek_fusion.load_config; deepseek_fusion.FusionError",
        "import sys, deepseek_fusion.cli; sys.argv[1:] = ['--help']; deepseek_fusion.cli.app(standalone_mode=False)",
        "import sys, deepseek_fusion.cli; sys.argv[1:] = ['--version']; deepseek_fusion.cli.app(standalone_mode=False)",
        "import deepseek_fusion.core.run, deepseek_fusion.core.versions, deepseek_fusion.core.source",
    ],
    ids=["package", "--help", "--version", "core"],
)
def test_nothing_heavy_is_loaded(code: str) -> None:
    command = [sys.executable, "-c", f"{code}\nimport sys; print('LOADED', *sys.modules)"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    loaded = {name.split(".")[0] for name in output.rpartition("LOADED")[2].split()}
    assert "deepseek_fusion" in loaded
    assert not loaded & HEAVY


def test_importing_the_package_loads_the_standard_library_at_most() -> None:
    code = "import sys; before = set(sys.modules); import deepseek_fusion; print(*(set(sys.modules) - before))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name.split(".")[0] for name in output.split()} <= {"deepseek_fusion", *sys.stdlib_module_names}
