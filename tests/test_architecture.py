"""The structure that the design promises: light imports, one direction, everything packaged."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "transformers", "vllm", "ray", "datasets")


def modules_after(statement: str) -> set[str]:
    """Top-level modules loaded in a fresh interpreter after the statement."""
    code = f"{statement}\nimport sys; print(*{{m.partition('.')[0] for m in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import service.app", "import service.cli", "import workers.pipeline", "import graders.panel"],
)
def test_light_modules_load_no_model_library(statement: str) -> None:
    assert modules_after(statement).isdisjoint(HEAVY)


def test_the_library_check_can_fail() -> None:
    assert "torch" in modules_after("import workers.tiny.train")


@pytest.mark.parametrize("package", ["graders", "workers", "service", "benchmarks"])
def test_every_module_says_what_it_is_for(package: str) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / package).rglob("*.py"))
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "manager.py"}
    found = [path for path in ROOT.glob("[!.]*/**/*.py") if path.name in vague]
    assert found == []
