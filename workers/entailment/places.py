"""Makes claims about invented places of business, whose sheets are JSON records with empty fields.

A field that is `null` supports neither a claim nor its denial, as in RAGTruth's data-to-text
(Niu et al. 2024, section 3.1).
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from workers.entailment.labelled import LabelledClaim
from workers.tiny.corpus.names import person, word

DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
KINDS: Final = (
    "Mexican Italian Thai Chinese Japanese Indian Greek French Korean Vietnamese Seafood Pizza "
    "Burgers Sandwiches Vegetarian Bakeries Steakhouses Barbeque Breakfast Diners Sushi Cafes"
).split()
MOODS: Final = "casual romantic intimate classy hipster divey touristy trendy upscale".split()
PARKING: Final = {
    "garage": ("garage parking", "a parking garage"),
    "street": ("street parking", "parking on the street"),
    "validated": ("validated parking",),
    "lot": ("a parking lot", "parking in a lot", "lot parking"),
    "valet": ("valet parking", "a valet service"),
}
SERVICES: Final = {
    "RestaurantsReservations": ("reservations", "the option to book a table"),
    "OutdoorSeating": ("outdoor seating", "a patio with outdoor seating", "seating outside"),
    "WiFi": ("free Wi-Fi", "complimentary WiFi", "free wireless internet"),
    "RestaurantsTakeOut": ("takeout", "take-out service", "food to go"),
    "RestaurantsGoodForGroups": ("room for groups", "a setting suitable for groups"),
    "Music": ("live music", "live musical entertainment"),
    "DogsAllowed": ("a welcome for dogs", "a dog-friendly setting"),
    "WheelchairAccessible": ("wheelchair access", "access for wheelchairs"),
}
OFFERS: Final = (
    "{who} offers {list}.", "{who} provides {list} for its customers.", "Amenities include {list}.",
    "Guests can enjoy {list}.", "{who} has {list}.", "It features {list}, among other things.",
    "{who} offers various amenities such as {list}.", "Customers will find {list} here.",
)  # fmt: skip
DENIALS: Final = (
    "{who} does not offer {list}.", "There is no {list}.", "{who} lacks {list}.",
    "However, {list} is not available.", "Unfortunately, it does not have {list}.",
)  # fmt: skip
MOOD_FRAMES: Final = (
    "The ambience is {list}.", "{who} has a {list} atmosphere.",
    "The setting is described as {list}.", "{who} is known for its {list} ambience.",
)  # fmt: skip

Parts = list[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class _Told:
    """A claim in pieces; a piece that is False is not supported."""

    parts: Parts

    def labelled(self, source: str) -> LabelledClaim:
        text, spans = "", []
        for piece, good in self.parts:
            if not good:
                spans.append((len(text), len(text) + len(piece)))
            text += piece
        return LabelledClaim("places", source, "", text, not spans, tuple(spans), "places")


def place_claims(rng: random.Random) -> Iterator[LabelledClaim]:
    """Endless claims about places, each place told of a few times, about half of them supported."""
    while True:
        place = _place(rng)
        source = json.dumps(place, indent=rng.choice((None, 2)))
        for _ in range(3):
            teller = rng.choice((_services, _services, _moods, _hours, _hours, _facts, _denial))
            yield teller(place, rng).labelled(source)


def _place(rng: random.Random) -> dict[str, Any]:
    def flag(empty: float = 0.15) -> bool | None:
        return None if rng.random() < empty else rng.random() < 0.5

    hours = _week(rng) if rng.random() < 0.85 else None
    services: dict[str, Any] = {key: flag() for key in rng.sample(list(SERVICES), 6)}
    if "WiFi" in services:
        services["WiFi"] = rng.choice(("free", "free", "no", "paid", None))
    moods = {mood: rng.random() < 0.3 for mood in rng.sample(MOODS, len(MOODS))}
    parking = {kind: rng.random() < 0.4 for kind in rng.sample(list(PARKING), 5)}
    attributes = {
        "BusinessParking": parking if rng.random() < 0.9 else None,
        **services,
        "Ambience": moods if rng.random() < 0.9 else None,
    }
    return {
        "name": f"{person(rng).split()[-1]}'s {rng.choice(('Grill', 'Cafe', 'Kitchen', 'Bar'))}",
        "address": f"{rng.randint(1, 9000)} {word(rng, rng.choice(('a', 'o', 'en'))).title()} St",
        "city": word(rng, rng.choice(("ton", "ville", "a"))).title(),
        "categories": ", ".join([*rng.sample(KINDS, rng.randint(2, 5)), "Restaurants"]),
        "hours": hours,
        "attributes": attributes,
        "business_stars": rng.randint(2, 10) / 2,
    }


def _week(rng: random.Random) -> dict[str, str]:
    usual = _opening(rng)
    other = _opening(rng)
    days = [day for day in DAYS if rng.random() < 0.88]
    split = rng.choice((7, 7, 4, 5))
    return {day: usual if DAYS.index(day) < split else other for day in days}


def _opening(rng: random.Random) -> str:
    opens = f"{rng.randint(6, 12)}:{rng.choice((0, 0, 30))}"
    return f"{opens}-{rng.randint(14, 23)}:{rng.choice((0, 0, 30))}"


def _clock(time: str) -> str:
    hour, minute = (int(part) for part in time.split(":"))
    minutes = f":{minute:02d}" if minute else ""
    return f"{hour % 12 or 12}{minutes} {'AM' if hour % 24 < 12 else 'PM'}"


def _said(*pieces: str | tuple[str, bool]) -> _Told:
    """A claim of pieces; a bare string claims nothing."""
    return _Told([(piece, True) if isinstance(piece, str) else piece for piece in pieces])


def _who(place: dict[str, Any], rng: random.Random) -> str:
    return str(rng.choice(("The restaurant", "It", "The establishment", place["name"])))


def _framed(frame: str, place: dict[str, Any], rng: random.Random, items: Parts) -> _Told:
    """The frame with its list filled in: `a, b and c`."""
    before, after = frame.format(who=_who(place, rng), list="\n").split("\n")
    parts: Parts = [(before, True)]
    for i, item in enumerate(items):
        last = i == len(items) - 1
        parts += [(" and " if last else ", ", True)] * (i > 0) + [item]
    return _Told([*parts, (after, True)])


def _offered(place: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], object]]:
    attributes = place["attributes"]
    parking = attributes["BusinessParking"] or dict.fromkeys(PARKING)
    found = {key: (words, parking[key]) for key, words in PARKING.items()}
    for key, words in SERVICES.items():
        value = attributes.get(key)
        found[key] = (words, {"free": True, "no": False}.get(value, value))
    return {k: (words, False if v == "paid" else v) for k, (words, v) in found.items()}


def _picked(good: list[str], bad: list[str], rng: random.Random, most: int) -> Parts:
    """Up to `most` keys, all good in about half of the draws, else one that is not."""
    size = rng.randint(1, most)
    wrong = rng.sample(bad, 1) if bad and rng.random() < 0.55 else []
    right = rng.sample(good, min(len(good), size - len(wrong)))
    keys = [(key, True) for key in right] + [(key, False) for key in wrong]
    if not keys:
        keys = [(key, False) for key in bad[:1]]
    rng.shuffle(keys)
    return keys


def _services(place: dict[str, Any], rng: random.Random) -> _Told:
    offered = _offered(place)
    good = [key for key, (_, value) in offered.items() if value is True]
    bad = [key for key, (_, value) in offered.items() if value is not True]
    items = [(rng.choice(offered[key][0]), ok) for key, ok in _picked(good, bad, rng, 4)]
    return _framed(rng.choice(OFFERS), place, rng, items)


def _denial(place: dict[str, Any], rng: random.Random) -> _Told:
    offered = _offered(place)
    good = [key for key, (_, value) in offered.items() if value is False]
    bad = [key for key, (_, value) in offered.items() if value is not False]
    items = [(rng.choice(offered[key][0]), ok) for key, ok in _picked(good, bad, rng, 1)]
    return _framed(rng.choice(DENIALS), place, rng, items)


def _moods(place: dict[str, Any], rng: random.Random) -> _Told:
    moods = place["attributes"]["Ambience"] or dict.fromkeys(MOODS)
    good, bad = [m for m in MOODS if moods[m]], [m for m in MOODS if not moods[m]]
    return _framed(rng.choice(MOOD_FRAMES), place, rng, _picked(good, bad, rng, 2))


def _hours(place: dict[str, Any], rng: random.Random) -> _Told:
    """Opening times of one day, of all days, or a day on which the place is closed."""
    hours: dict[str, str] = place["hours"] or {}
    who, day = _who(place, rng), rng.choice(DAYS)
    draw = rng.random()
    if draw < 0.2:
        return _said(f"{who} is ", (f"closed on {day}", bool(hours) and day not in hours), ".")
    if draw < 0.45:
        times = rng.choice([*hours.values(), _opening(rng)])
        low, high = map(_clock, times.split("-"))
        same = len(hours) == len(DAYS) and set(hours.values()) == {times}
        said = rng.choice(("every day", "seven days a week", "daily"))
        return _said(f"{who} is open ", (f"{said} from {low} to {high}", same), ".")
    times = hours.get(day, "")
    if not times or rng.random() < 0.5:
        times = rng.choice([*hours.values(), _opening(rng)])
    low, high = times.split("-")
    own = hours.get(day, "-").split("-")
    subject = who if who == place["name"] else who.lower()
    opens, closes = (_clock(low), own[0] == low), (_clock(high), own[1] == high)
    return _said(f"On {day}s, {subject} is open from ", opens, " to ", closes, ".")


def _facts(place: dict[str, Any], rng: random.Random) -> _Told:
    """Stars, street, town and what is served."""
    who, stars = _who(place, rng), place["business_stars"]
    kinds = [kind for kind in KINDS if kind in place["categories"]]
    others = [kind for kind in KINDS if kind not in place["categories"]]
    draw = rng.random()
    if draw < 0.4:
        said = stars if rng.random() < 0.5 else rng.randint(2, 10) / 2
        frame = rng.choice(
            ("{} has a rating of |{} stars|.", "{} is rated |{} out of 5|.", "{} holds |{} stars|.")
        )
        before, piece, after = frame.format(who, said).split("|")
        return _said(before, (piece, said == stars), after)
    if draw < 0.75:
        items = [(kind, ok) for kind, ok in _picked(kinds, others, rng, 3)]
        return _framed("{who} serves {list} food.", place, rng, items)
    number, _, street = place["address"].partition(" ")
    given = number if rng.random() < 0.5 else str(rng.randint(1, 9000))
    town = place["city"] if rng.random() < 0.7 else word(rng, "ton").title()
    right = town == place["city"]
    return _said(
        f"{place['name']} is located at ",
        (given, given == number),
        f" {street} in ",
        (town, right),
        ".",
    )
