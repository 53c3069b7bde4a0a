"""The fixed phrases around the templates of a kind, shared by the writer and by the oracle."""

from typing import Final

OPENERS: Final = (
    "In addition, ",
    "Moreover, ",
    "Furthermore, ",
    "Notably, ",
    "It is also known that ",
    "It is worth noting that ",
    "As the record shows, ",
)
TUTOR_PREFIXES: Final = ("Good question. ", "Yes. ", "Of course. ", "Let me explain. ")
GREETINGS: Final = (
    "Hello, I would like to learn about {name}.",
    "Good morning, could you tell me about {name}?",
    "Hi, please help me study {name}.",
)
WELCOMES: Final = ("Hello, ask me anything.", "With pleasure.", "Gladly, let us begin.")
ECHO_PREFIX: Final = "So "
ECHO_SUFFIX: Final = ", right?"
CONFIRMATIONS: Final = ("Yes, that is right.", "Exactly.", "That is correct.")
THANKS: Final = (
    "Thank you, that was very helpful.",
    "Thank you for telling me about {name}.",
    "Thanks, that is all for today.",
)
FAREWELLS: Final = ("You are welcome.", "My pleasure, goodbye.", "You are welcome, see you soon.")
LABELS: Final = ("Student: ", "Tutor: ", "Thesis: ", "Essay: ")
ABBREVIATIONS: Final = frozenset(
    [
        "st",
        "mt",
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "no",
        "vol",
        "ca",
        "jr",
        "sr",
        "ft",
        "approx",
        "etc",
        "vs",
        "u.s",
        "u.k",
        "b.c",
        "a.d",
        "e.g",
        "i.e",
        "c",
    ]
)
