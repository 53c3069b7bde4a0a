"""Is this text new? Exact and near-duplicate detection, and copying of protected texts."""

from graders.novelty.fingerprint import INDEX_VERSION, Fingerprint, fingerprint
from graders.novelty.grade import GRADER, VERSION, novelty_grade
from graders.novelty.index import MemoryIndex, Neighbour, NoveltyIndex, closest
from graders.novelty.protected import ProtectedTexts

__all__ = [
    "GRADER",
    "INDEX_VERSION",
    "VERSION",
    "Fingerprint",
    "MemoryIndex",
    "Neighbour",
    "NoveltyIndex",
    "ProtectedTexts",
    "closest",
    "fingerprint",
    "novelty_grade",
]
