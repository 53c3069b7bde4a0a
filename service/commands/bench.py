"""`winnow bench`: the scripts that measured the figures of the README."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from service.commands.endings import BAD_INPUT, FAILED, stop


def bench(
    name: Annotated[
        str | None, typer.Argument(help="The script to run; without it they are listed.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Argument(help="What the script is given, after --.")
    ] = None,
) -> None:
    """Run a script that measured figures of the README, or list them all.

    Each tells its own options: [bold]winnow bench truth -- --help[/bold]

    Example: [bold]winnow bench throughput -- --candidates 96 --runs 3[/bold]
    """
    scripts = find_scripts()
    if name is None:
        for script, purpose in scripts.items():
            typer.echo(f"{script:<20}{purpose}")
        return
    if name not in scripts:
        raise stop(f"no benchmark {name!r}; there are: {', '.join(scripts)}", BAD_INPUT)
    # -P: a folder named benchmarks where the user stands is not ours
    command = [sys.executable, "-P", "-m", f"benchmarks.{name}", *(options or [])]
    raise typer.Exit(subprocess.call(command))


def find_scripts() -> dict[str, str]:
    """The modules of `benchmarks` that can be run, each with the first line of what it says."""
    found = find_spec("benchmarks")
    if found is None or not found.submodule_search_locations:
        raise stop("the benchmarks are not installed here", FAILED)
    scripts = {}
    for path in sorted(Path(found.submodule_search_locations[0]).glob("*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        if module.body and "__name__ == '__main__'" in ast.unparse(module.body[-1]):
            scripts[path.stem] = (ast.get_docstring(module) or "").partition("\n")[0]
    return scripts
