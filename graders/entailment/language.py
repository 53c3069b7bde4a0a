"""Is a text in a language that the entailment model never saw? Scripts and commonest words only.

Promises to stay silent where it can't tell: short texts, names, fact sheets, figures.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from graders.language import ENGLISH, SAMPLE_CHARS, script_shares

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_PARTICLES: Final = frozenset(
    "a al ap bin da das de degli dei del dela della delle dello dem den der des di do dos du e el "
    "en et gli het ibn il la las le les lo los na of op st ten ter the van vom von y zu zum "
    "zur".split()
)
"""Lower-case words that join capitalised ones to a name, as in `Place de la Concorde`."""
_FEWEST_WORDS: Final = 5
_FEWEST_HITS: Final = 3
_FOREIGN_SHARE: Final = 0.2
_UNREADABLE_WORDS: Final = 40
_UNREADABLE_SHARE: Final = 0.02
_OTHER_SCRIPT_SHARE: Final = 0.5
_ENGLISH_TOO: Final = frozenset(
    "a an am as at die do fast for from god has he her i in is me men mot no of on over so son "
    "till to under was we".split()
)
"""Words of other languages that are English words, too: they settle nothing."""
_ENGLISH_ONLY: Final = ENGLISH - _ENGLISH_TOO

COMMONEST: Final[Mapping[str, frozenset[str]]] = {
    "French": frozenset(
        "le la les des du une est et dans pour que qui sur avec pas plus par ce cette ses sont au "
        "aux il elle nous vous ils elles mais ou où son sa leur été était être ont fait comme "
        "très aussi".split()
    ),
    "German": frozenset(
        "der das und ist nicht ein eine einen einem einer den dem des sich mit auf für von zu im "
        "auch wird sind nach bei aus wurde dass über zum zur werden oder hat haben sie er es wie "
        "noch aber durch".split()
    ),
    "Spanish": frozenset(
        "el la los las de que y en un una del se por con para es su al lo como más pero sus ha "
        "fue son este esta está están muy ser entre cuando sin sobre también hasta desde "
        "nos".split()
    ),
    "Italian": frozenset(
        "il lo la gli le di che e un una del della dei delle nel nella per con è sono si al alla "
        "da più come ma anche questo questa su dal dalla stato essere ha hanno non".split()
    ),
    "Portuguese": frozenset(
        "o os as de que e um uma do da dos das em no na nos nas para com por é são se mais como "
        "mas foi ao à seu sua não também está pela pelo ser".split()
    ),
    "Dutch": frozenset(
        "de het een en van ik te dat die niet zijn op aan met voor er maar om hem dan zou wat mijn "
        "dit zo door over ze zich bij ook tot je mij uit wordt naar heeft deze".split()
    ),
    "Swedish, Danish or Norwegian": frozenset(
        "och att det som en på är av för med till den har de inte om ett men var jag sig från vi "
        "så kan när efter og er af til ikke på med der et han hun fra blev også ble".split()
    ),
    "Polish": frozenset(
        "i w z na do się nie jest to że o jak po od za przez był była są dla ale czy który która "
        "jego oraz tym tego może".split()
    ),
    "Turkish": frozenset(
        "ve bir bu için da de ile çok olarak daha gibi olan kadar sonra en ama ne her o değil var "
        "olduğu".split()
    ),
}
"""The commonest words of the languages most often met in Latin script, as counted in any corpus."""


def foreign_language(text: str) -> str | None:
    """Why this text can't be judged by a model that reads English only, or None.

    Reads the first 4,000 characters. Text of fewer than five words passes, and so does text whose
    words settle nothing, such as a list of names: of these the words in lower case and the first
    one tell, but for the particles inside names. Words that are English, too, count half.
    """
    shares = script_shares(text)
    if shares and 1 - shares.get("LATIN", 0.0) >= _OTHER_SCRIPT_SHARE:
        main = max(shares, key=lambda script: shares[script])
        return f"is in {main.lower()} script"
    words = _without_particles(_WORD.findall(text[:SAMPLE_CHARS]))
    if len(words) < _FEWEST_WORDS:
        return None
    folded = [word.casefold() for word in words]
    english = sum(2 * (word in _ENGLISH_ONLY) + (word in _ENGLISH_TOO) for word in folded)
    language, hits = _likeliest([folded[0], *(word for word in words[1:] if word.islower())])
    if hits >= _FEWEST_HITS and hits > english and hits >= _FOREIGN_SHARE * len(words):
        return f"reads as {language}"
    return None


def unreadable_prose(text: str) -> str | None:
    """Why running prose is not English: too few of the commonest English words; or None.

    For prose only: fact sheets have as few.
    """
    words = _WORD.findall(text[:SAMPLE_CHARS].casefold())
    if len(words) < _UNREADABLE_WORDS:
        return None
    share = sum(word in ENGLISH for word in words) / len(words)
    return (
        f"does not read as English ({share:.0%} common words)"
        if share < _UNREADABLE_SHARE
        else None
    )


def _without_particles(words: Iterable[str]) -> list[str]:
    """The words but those between two capitalised ones that only join them."""
    kept: list[str] = []
    joining: list[str] = []
    in_name = False
    for word in words:
        if in_name and word in _PARTICLES:
            joining.append(word)
            continue
        if word.islower():
            kept += joining
        joining = []
        kept.append(word)
        in_name = not word.islower()
    return kept + joining


def _likeliest(words: list[str]) -> tuple[str, int]:
    """The language with most of its commonest words here; a capital would make them names."""
    telling = [word for word in words if word not in _ENGLISH_TOO]
    counts = {name: sum(word in common for word in telling) for name, common in COMMONEST.items()}
    name = max(counts, key=lambda language: counts[language])
    return name, counts[name]
