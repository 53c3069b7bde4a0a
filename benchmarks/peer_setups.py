"""The peers of benchmarks/peers.py: what each needs installed, its command, its judge's words.

Rivals get an environment each, built once in a cache folder; Winnow runs in this one.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peer_endpoint import MODEL
from graders.prompts import Stance, render_ruling

SCRIPTS = Path(__file__).parent / "peer_scripts"
RECIPE = SCRIPTS / "recipe.py"
IN_FLIGHT = 64
_INSTALLED = ".installed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run takes place: the endpoint, the sources as JSON lines, an empty folder."""

    url: str
    sources: Path
    folder: Path
    records: int


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` is what is timed. `holds` and `fails` are the judge's replies, word for word.

    `requirements` are what its own environment needs; without any it runs in this one.
    """

    name: str
    title: str
    command: Callable[[Path, Place], list[str]]
    requirements: tuple[str, ...] = ()
    holds: str = "yes"
    fails: str = "no"
    rival: bool = False

    def environment(self, envs: Path) -> Path:
        """The folder of its environment."""
        return envs / self.name if self.requirements else Path(sys.prefix)


def _script(name: str) -> Callable[[Path, Place], list[str]]:
    def command(environment: Path, place: Place) -> list[str]:
        python = environment / "bin" / "python"
        given = (python, SCRIPTS / name, place.url, place.sources, place.folder)
        return [str(word) for word in given]

    return command


JOB = """\
recipe: record
recipe_files: [{recipe}]
count: {count}
sources: {{path: {sources}}}
models:
  writer: {{kind: openai, base_url: "{url}", model: {model}, concurrency: {in_flight}}}
graders: {{early_abort: {early_abort}, judge: {{canary_rate: 0}}}}
budget: {{max_candidates: {records}}}
out: {folder}/out
database: {folder}/ledger.db
"""
"""The ledger and novelty are as always. No canaries: peers ask their judge about texts alone."""


def _winnow(early_abort: bool) -> Callable[[Path, Place], list[str]]:
    def command(environment: Path, place: Place) -> list[str]:
        job = place.folder / "job.yaml"
        text = JOB.format(
            recipe=RECIPE,
            count=place.records // 2,
            sources=place.sources,
            url=place.url,
            model=MODEL,
            in_flight=IN_FLIGHT,
            early_abort=str(early_abort).lower(),
            records=place.records,
            folder=place.folder,
        )
        job.write_text(text)
        return [str(environment / "bin" / "winnow"), "batch", str(job)]

    return command


def _scored(score: str) -> str:
    """A judge column's reply: JSON in a fence."""
    return f'```json\n{{"supported": {{"reasoning": "By the source.", "score": "{score}"}}}}\n```'


_HOLDS, _FAILS = render_ruling(Stance.SUPPORTED, ""), render_ruling(Stance.UNSUPPORTED, "")
PEERS = (
    Peer("bare", "bare aiohttp loop", _script("run_bare.py")),
    Peer("winnow", "Winnow", _winnow(False), holds=_HOLDS, fails=_FAILS),
    Peer(
        "winnow-streaming",
        "Winnow, streaming to abort early (default)",
        _winnow(True),
        holds=_HOLDS,
        fails=_FAILS,
    ),
    Peer(
        "curator",
        "Bespoke Curator 0.1.31",
        _script("run_curator.py"),
        ("bespokelabs-curator==0.1.31",),
        rival=True,
    ),
    Peer(
        "distilabel",
        "distilabel 1.5.3 (64 in each step)",
        _script("run_distilabel.py"),
        ("distilabel[openai]==1.5.3", "requests"),
        rival=True,
    ),
    Peer(
        "data-designer",
        "NeMo Data Designer 0.9.6",
        _script("run_data_designer.py"),
        ("data-designer==0.9.6",),
        holds=_scored("yes"),
        fails=_scored("no"),
        rival=True,
    ),
)


def build(peer: Peer, envs: Path) -> None:
    """Make the peer's environment unless it is there. Raises CalledProcessError."""
    folder = peer.environment(envs)
    done = folder / _INSTALLED
    wanted = "\n".join(peer.requirements)
    if not peer.requirements or (done.is_file() and done.read_text() == wanted):
        return
    print(f"building the environment of {peer.name} in {folder}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", *peer.requirements], check=True)
    done.write_text(wanted)


def surroundings(envs: Path, folder: Path) -> dict[str, str]:
    """The environment variables of a run: no network, no cache of answers, nothing phoned home.

    curator and Data Designer want a table of tiktoken, which LiteLLM brings along.
    """
    table = next(envs.glob("curator/lib/*/site-packages/litellm/litellm_core_utils/tokenizers"), "")
    return {
        **os.environ,
        "CURATOR_CACHE_DIR": str(folder / "curator"),
        "CURATOR_DISABLE_CACHE": "true",
        "HF_HOME": str(folder / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_API_KEY": "none",
        "TELEMETRY_ENABLED": "false",
        "TIKTOKEN_CACHE_DIR": str(table),
    }


def clear(folder: Path) -> None:
    """An empty folder for the next run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
