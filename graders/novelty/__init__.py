"""Is this text new? Exact and near-duplicates, paraphrases, copied passages."""

from graders.novelty.band_index import BandIndex
from graders.novelty.copying import copied_from_source
from graders.novelty.fingerprint import INDEX_VERSION, Fingerprint, fingerprint, fingerprints
from graders.novelty.grade import GRADER, VERSION, novelty_grade
from graders.novelty.index import MemoryIndex, Neighbour, NoveltyIndex, closest
from graders.novelty.protected import ProtectedItem, ProtectedTexts, protect_now

__all__ = [
    "GRADER",
    "INDEX_VERSION",
    "VERSION",
    "BandIndex",
    "Fingerprint",
    "MemoryIndex",
    "Neighbour",
    "NoveltyIndex",
    "ProtectedItem",
    "ProtectedTexts",
    "closest",
    "copied_from_source",
    "fingerprint",
    "fingerprints",
    "novelty_grade",
    "protect_now",
]
