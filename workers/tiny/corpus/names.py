"""Invented names: people, places, rivers, companies and plain words, pronounceable and seeded."""

import hashlib
import random
from collections.abc import Callable
from functools import cache
from typing import Final, Literal

Split = Literal["train", "held_out"]
HELD_OUT_PERCENT: Final = 15

HE: Final = [
    "Anton",
    "Bruno",
    "Carl",
    "Daniel",
    "Edgar",
    "Felix",
    "Gustav",
    "Hugo",
    "Ivan",
    "Jonas",
    "Karel",
    "Leon",
    "Martin",
    "Nils",
    "Oscar",
    "Pavel",
    "Rafael",
    "Samuel",
    "Tomas",
    "Victor",
    "Walter",
    "Marco",
    "Arjun",
    "Kenji",
    "Omar",
    "Emil",
]
SHE: Final = [
    "Alma",
    "Beatrice",
    "Clara",
    "Dora",
    "Elena",
    "Flora",
    "Greta",
    "Helena",
    "Irene",
    "Julia",
    "Katrin",
    "Laura",
    "Maria",
    "Nadia",
    "Olga",
    "Petra",
    "Rosa",
    "Sofia",
    "Teresa",
    "Vera",
    "Wanda",
    "Ingrid",
    "Amina",
    "Yuki",
    "Priya",
    "Lucia",
]
LAST: Final = [
    "Albrecht",
    "Barlow",
    "Castell",
    "Dorning",
    "Eklund",
    "Ferrano",
    "Galloway",
    "Hartwig",
    "Iversen",
    "Jarrett",
    "Kovalik",
    "Lindqvist",
    "Morane",
    "Nordell",
    "Okafor",
    "Pelham",
    "Quillon",
    "Rosetti",
    "Sandoval",
    "Tamura",
    "Ullman",
    "Varga",
    "Whitlock",
    "Yardley",
    "Zeman",
    "Brandt",
    "Calder",
    "Delacroix",
    "Fenwick",
    "Harlow",
    "Moreau",
    "Sorensen",
]
ONSETS: Final = [
    "b",
    "br",
    "c",
    "d",
    "dr",
    "f",
    "g",
    "gr",
    "h",
    "j",
    "k",
    "l",
    "m",
    "n",
    "p",
    "pr",
    "r",
    "s",
    "st",
    "t",
    "tr",
    "v",
    "w",
    "z",
]
VOWELS: Final = ["a", "e", "i", "o", "u", "a", "e", "o", "ai", "ea"]
CODAS: Final = ["", "", "", "n", "r", "l", "s", "m", "nd", "rn"]
ENDINGS: Final = {
    "place": ["ia", "burg", "ton", "dale", "ford", "mouth", "stad", "ville", "haven", "mark"],
    "river": ["a", "e", "o", "en", "ara", "una", "is", "el"],
    "company": ["ex", "on", "ix", "tec", "wel", "or", "ana", "ium"],
    "word": ["a", "o", "en", "is", "or", "an", "um", "el", "ar", "il"],
}
FIRMS: Final = ("Works", "Motors", "Systems", "Group", "Foods", "Industries", "Press", "Labs")


def word(rng: random.Random, ending: str) -> str:
    """A capitalised invented word of one or two syllables before the ending."""
    stem = "".join(rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(1 + (rng.random() < 0.5)))
    link = rng.choice(CODAS) if ending[0] in "aeiou" else ""
    joint = rng.choice("lnrvdmtk") if not link and ending[0] in "aeiou" else ""
    return (stem + link + joint + ending).capitalize()


def person(rng: random.Random, pronoun: str | None = None) -> str:
    """A first and a last name; with a pronoun, the first name fits it."""
    firsts = {"he": HE, "she": SHE}.get(pronoun or rng.choice(("he", "she")), HE + SHE)
    return f"{rng.choice(firsts)} {rng.choice(LAST)}"


def company(rng: random.Random) -> str:
    """A company's name, often with a word for its trade."""
    base = word(rng, rng.choice(ENDINGS["company"]))
    return f"{base} {rng.choice(FIRMS)}" if rng.random() < 0.6 else base


@cache
def pools() -> dict[str, Callable[[random.Random], str]]:
    """The name pools that an invent specification may ask for."""

    def ended(key: str) -> Callable[[random.Random], str]:
        return lambda rng: word(rng, rng.choice(ENDINGS[key]))

    place = ended("place")
    same_as_place = ("place", "city", "town", "country", "region", "island", "state", "province")
    return {
        **dict.fromkeys(same_as_place, place),
        "person": person,
        "river": ended("river"),
        "company": company,
        "word": ended("word"),
        "mountain": lambda rng: f"Mount {word(rng, rng.choice(ENDINGS['word']))}",
        "lake": lambda rng: f"Lake {word(rng, rng.choice(ENDINGS['word']))}",
        "sea": lambda rng: f"the {word(rng, rng.choice(ENDINGS['word']))} Sea",
        "university": lambda rng: f"University of {place(rng)}",
    }


def split_of(text: str) -> Split:
    """The split that a name belongs to, by a hash that does not change between runs."""
    digest = hashlib.sha256(text.casefold().encode()).digest()
    return "held_out" if int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT else "train"


def draw(rng: random.Random, split: Split, make: Callable[[random.Random], str]) -> str:
    """A name of this split: drawn until its hash falls there."""
    for _ in range(400):
        if split_of(name := make(rng)) == split:
            return name
    raise ValueError(f"no name of split {split} in 400 draws")


def name_pool(pool: str, split: Split, size: int, seed: int = 0) -> tuple[str, ...]:
    """`size` distinct invented names of one pool and split."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    for _ in range(size * 40):
        found.setdefault(draw(rng, split, pools()[pool]))
        if len(found) == size:
            break
    return tuple(found)
