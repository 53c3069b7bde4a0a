"""Published figures on the same tasks, each with its source and how its task differs from ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Published:
    """What others report, in percent; `system` names who reports it."""

    system: str
    value: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of ours beside theirs. `path` leads to it inside a set's figures."""

    title: str
    dataset: str
    path: tuple[str, ...]
    theirs: tuple[Published, ...]
    source: str
    differs: str


COMPARISONS: Sequence[Comparison] = (
    Comparison(
        "RAGTruth, response-level F1 of the class wrong",
        "ragtruth",
        ("all", "f1"),
        (
            Published("GPT-4-turbo, prompted", 63.4),
            Published("17M token classifier", 68.5),
            Published("150M token classifier", 76.1),
            Published("Llama-2-13B, fine-tuned", 78.7),
        ),
        "Niu et al. 2024; model cards of LettuceDetect and TinyLettuce (KR Labs 2025)",
        "theirs: the 2,700 responses of the test split, 35% of them wrong; ours: half of the "
        "sources of another sample of the set, with a larger share of wrong ones, which helps F1",
    ),
    Comparison(
        "FaithBench, sentence-level balanced accuracy",
        "faithbench_sentences",
        ("all", "balanced_accuracy"),
        (Published("GPT-4o", 56.5), Published("o3-mini", 57.6)),
        "Bao et al. 2025",
        "ours: half of the sources, sentences as our splitter cuts them, wrong when any annotator "
        "marked words of it as unwanted or questionable",
    ),
    Comparison(
        "SummEdits, balanced accuracy, mean over domains",
        "summedits",
        ("all", "macro_balanced_accuracy"),
        (Published("GPT-4", 82.1), Published("SummaC", 57.1)),
        "Laban et al. 2023",
        "theirs: ten domains; ours: eight of them, documents never trained on",
    ),
    Comparison(
        "AggreFact (CLIFF), balanced accuracy, mean over CNN/DM and XSum",
        "aggrefact",
        ("all", "macro_balanced_accuracy"),
        (
            Published("HHEM-2.1", 71.8),
            Published("MiniCheck-0.8B", 75.0),
            Published("GPT-4o", 75.9),
            Published("Bespoke-MiniCheck-7B", 77.4),
        ),
        "LLM-AggreFact leaderboard (Tang et al. 2024)",
        "not the same test: theirs is the mean over eleven sets, ours two older ones of them",
    ),
)


def compare(
    figures: Mapping[str, Mapping[str, Mapping[str, Any]]], grader: str
) -> list[dict[str, Any]]:
    """The comparisons whose set was measured: `figures[set][grader]` as `figures()` gives them."""
    found = []
    for comparison in COMPARISONS:
        ours: Any = figures.get(comparison.dataset, {}).get(grader)
        for step in comparison.path:
            ours = ours.get(step) if ours else None
        if ours and ours["value"] is not None:
            found.append(
                {
                    "figure": comparison.title,
                    "ours": ours,
                    "published": {one.system: one.value for one in comparison.theirs},
                    "source": comparison.source,
                    "differs": comparison.differs,
                }
            )
    return found
