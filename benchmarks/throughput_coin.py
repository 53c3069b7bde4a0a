"""The coin that judges meaningless texts: a grader from elsewhere, so Ray finds it by its name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from graders.base import Complete, Grader
from graders.registry import GROUP
from graders.scripted import ScriptedGrader

COIN: Final = ScriptedGrader.name
PASSES: Final = 0.5
"""Share of the texts."""


def coin(options: Mapping[str, Any], complete: Complete | None) -> Grader:
    """As an entry point makes it."""
    return ScriptedGrader(PASSES)


def install_coin(folder: Path) -> None:
    """Have every process that is started from now on find the coin, as if it were installed."""
    told = folder / "winnow_coin-1.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: winnow-coin\nVersion: 1\n")
    (told / "entry_points.txt").write_text(f"[{GROUP}]\n{COIN} = {__name__}:{coin.__name__}\n")
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
