"""The recipes that ship, and a user's own as the README shows it."""

import re
from pathlib import Path

import pytest

from graders.types import Source
from workers.errors import RecipeError
from workers.recipes import SHIPPED, MalformedTextError, load_recipe, load_recipe_file

README = Path(__file__).parents[2] / "README.md"
SOURCE = Source("helium", "Name: Helium\nSymbol: He")


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_prompt_carries_its_source_last_so_that_its_prefix_can_be_cached(name: str) -> None:
    prompt = SHIPPED[name].prompt(SOURCE)
    assert prompt.endswith(SOURCE.text)


@pytest.mark.parametrize(
    ("name", "text", "fields"),
    [
        (
            "essay",
            "Thesis: Helium is light.\nEssay: It rises. It is He. It is a gas.",
            {"thesis": "Helium is light.", "essay": "It rises. It is He. It is a gas."},
        ),
        (
            "problem_set",
            "Problem: 2 and 3?\nSolution:\nStep 1: 2 + 3 = 5.\nAnswer: 5",
            {"problem": "2 and 3?", "solution": "Step 1: 2 + 3 = 5.", "answer": "5"},
        ),
    ],
)
def test_a_parser_finds_the_parts(name: str, text: str, fields: dict[str, str]) -> None:
    assert SHIPPED[name].parse(text).fields == fields


def test_the_parts_that_graders_read_are_verbatim() -> None:
    text = "Thesis: Helium is light.\nEssay: It rises. It is He. It is a gas."
    assert SHIPPED["essay"].parse(text).body in text


def test_a_dialogue_keeps_its_turns() -> None:
    text = "Student: Hi.\nTutor: Hello.\nStudent: What is it?\nTutor: Helium."
    assert SHIPPED["dialogue"].parse(text).body == text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("essay", ""),
        ("essay", "Helium is light."),
        ("essay", "Thesis:\nEssay: It rises. It is He. It is a gas. It glows."),
        ("problem_set", "Problem: 2 and 3?\nAnswer: 5"),
        ("problem_set", "Problem: 2?\nSolution:\n2 + 3 = 5\nAnswer: 5\nAnswer: 6"),
        ("dialogue", "Student: Hi.\nTutor: Hello."),
        ("dialogue", "Student: Hi.\nStudent: Hello.\nStudent: A?\nStudent: B."),
        ("dialogue", "Student: Hi.\nNarrator: Hello.\nStudent: A?\nTutor: B."),
    ],
)
def test_text_of_another_shape_is_malformed(name: str, text: str) -> None:
    with pytest.raises(MalformedTextError):
        SHIPPED[name].parse(text)


@pytest.mark.parametrize(("count", "taken"), [(3, False), (4, True), (14, True), (15, False)])
def test_an_essay_of_far_fewer_or_more_sentences_than_asked_for_is_malformed(
    count: int, taken: bool
) -> None:
    said = " ".join(f"Its spectrum has {n} lines." for n in range(2, count + 1))
    text = f"Thesis: Helium, by Dr. Ramsay, is light.\nEssay: {said}"
    if taken:
        assert SHIPPED["essay"].parse(text).fields["essay"] == said
    else:
        with pytest.raises(MalformedTextError, match=rf"{count}, where .* five to eight more were"):
            SHIPPED["essay"].parse(text)


def test_an_unknown_recipe_is_answered_with_those_there_are() -> None:
    with pytest.raises(RecipeError, match="dialogue, essay, problem_set"):
        load_recipe("haiku")


def test_the_recipe_in_the_readme_works(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "summary.py"
    path.write_text(next(block for block in blocks if "RECIPE" in block), encoding="utf-8")
    recipe = load_recipe_file(path)
    assert recipe.parse("Helium is light.").fields == {"summary": "Helium is light."}


@pytest.mark.parametrize(
    ("content", "message"),
    [("x = 1", "no module-level RECIPE"), ("1 / 0", "can't be loaded"), ("RECIPE = 3", "RECIPE")],
)
def test_a_broken_recipe_file_is_named_with_what_it_lacks(
    tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        load_recipe_file(path)


def test_a_missing_recipe_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe file"):
        load_recipe_file(tmp_path / "absent.py")
