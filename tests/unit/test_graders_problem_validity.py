"""A problem that contradicts itself, lacks data or states what can't be is refused with a quote."""

import random
from fractions import Fraction

import pytest

from graders.problem_validity import find_flaws, impossible_answer, is_word_problem
from workers.tiny.corpus.problems import compose_problem


@pytest.mark.parametrize(
    ("question", "sound"),
    [
        ("One pen is $3 dearer than one pen. One pen costs $4. What do both cost?", False),
        ("Ann has 4 pens. Ann has 3 more pens than Ann. How many pens does Ann have?", False),
        ("Ann has 4 pens and gets 3. How many pens do Ann and Ann have in total?", False),
        ("Each pen costs 3 times as much as each pen. A pen costs $4. What is it?", False),
        ("Ann has 4 pens. Bob has 3 more pens than Ann. How many pens does Bob have?", True),
        ("Each pen costs 3 times as much as each cap. A cap is $4. What is a pen?", True),
        ("For one pen, Ann pays $3 more than for one cap. A cap is $4. And a pen?", True),
        ("Ann has 4 pens, 3 fewer than Ann had. How many pens did Ann have?", True),
        ("For one bell, people pay $3 more than for one bell. What is it?", False),
        ("Ann has half as many pens as Ann. How many are 4 and 5?", False),
        ("The red car costs $9, 3 more than the red van. What does the van cost?", True),
        ("Sam earned $5 less in May than Sam earned in June. What did Sam earn of $9?", True),
        ("If one red pen costs $2 more than one red pencil, what do 3 cost?", True),
        ("Owen has 21 pens, and Ann has 5 fewer than Owen. How many has Ann?", True),
        ("Ann wants half as many pots as Bob, and twice as many cups as Bob. Of 9?", True),
    ],
)
def test_a_problem_may_not_set_a_thing_against_itself(question: str, sound: bool) -> None:
    assert any("against itself" in flaw.reason for flaw in find_flaws(question)) != sound


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Ann has 24 pears. She buys 18.", "asks no question"),
        ("Ann has some pears. She buys more pears. How many pears has she?", "gives no number"),
        ("Ann has 24 pears. Bob has 3 pears. Ann has 30 pears. How many?", "contradicts"),
        ("Tom is 3 years older than Ann. Ann is older than Tom. How old is Tom?", "contradicts"),
        ("Ann has 5 pears. She eats 8 pears. How many are left?", "more than there are"),
        ("150% of the students are girls. There are 10. How many girls?", "more than all"),
        ("60% of the pupils are girls, 50% are boys. There are 20. How many?", "60% + 50%"),
        ("40% of the cars are red, 70% blue and the rest green. How many of 9?", "40% + 70%"),
        ("1/3 of the " + "1" * 401 + " students left. How many?", "no whole number"),
        ("A third of the 10 students left. How many left?", "no whole number"),
        ("A class has 2.5 students. How many are 4 classes?", "only whole ones"),
        ("Ann has -4 books and buys 3. How many books has she?", "there can't be -4 books"),
        ("Ivan needs $80 for a 14 pallets. He saves $4 a week. How long?", "neither one nor many"),
        ("Ann has 8 cups for 2 saucers. How many cups does each saucers get?", "each saucers"),
        ("Carl has $9. Carl gives Carl $3. How much has Carl?", "against itself"),
        ("Ann has 9 pens. Ann is 3 pens short of what Ann has. How many?", "against itself"),
        ("By how many of 9 pens is Ann ahead of Ann?", "against itself"),
        ("Ann splits her 15 boxes evenly between 3 boxes. How many each?", "boxes can't be shared"),
        ("One muffin costs $6. Ann buys 3 muffin. What does she pay?", "neither one nor many"),
        ("A cap is $4. Then the price of one hat falls by 5%. What is it?", "no price of hat"),
        ("A cap is $4. A bun costs 5 times as much as one palin. What is it?", "told of palin"),
        ("Ann has 15 pens. Bo has 3. How many more does Ann have than Finn?", "nothing is told"),
        ("One dumpling costs $5. Ann buys 4 pallets. What does she pay?", "no price of pallets"),
        ("One cap costs $28. Ann buys 2 caps of $24. What does she pay?", "price was given before"),
        ("A cup is $9. For one cup costs 3 times as much. What are 4 cups?", "is no clause"),
        ("Each cup costs 3 times as much as one cup. What are 4 cups at $2?", "with itself"),
        ("For one pie, people pay $2 more than for one pie. 3 pies?", "with itself"),
        ("Ann has 9 pens. Later, Ann loses 2 pens. Ann loses 2 pens. How many?", "says this twice"),
        ("2 childers share 96 kites. How many kites does one child receive?", "not of 'child'"),
    ],
)
def test_an_unsound_problem_is_quoted_with_what_is_wrong(question: str, reason: str) -> None:
    flaws = find_flaws(question)
    assert any(reason in flaw.reason for flaw in flaws), flaws
    assert all(question[f.start : f.start + len(f.quote)] == f.quote for f in flaws)


@pytest.mark.parametrize(
    "question",
    [
        "Ann has 24 pears. On the next day Ann has 30 pears. How many did she buy?",
        "Ann has 5 pears and picks 9. She eats 8 pears. How many are left?",
        "A family has 2.5 children on average. How many children have 4 families?",
        "60% of the pupils like tea and 50% like milk. Of 20, how many like milk?",
        "Calculate the total distance of 3 laps of 400 m.",
        "60% of 9 rated A; 80% of the remaining rated B and the rest C. How many rated C?",
        "Ann spent $30 on $0.50 pencils. How many pencils did she buy?",
        "It was -4 degrees in May. How cold was it after a fall of 3?",
        "There are 50 apples. If there are only 10 apples left, how many were sold?",
        "Ann reads a 500 pages book in 4 days. How many pages a day?",
        "Ann fills 2 buses with 40 people. How many people does each bus hold?",
        "Ann sold 5 pens on Monday and 8 on Friday. How many more than Monday?",
        "A pen costs $2. Each pencil costs $1. Ann pays for 6 of them. How much?",
        "One scarf costs $3 in the shop. Ann buys 4 scarves. How much is it?",
        "Bo has 6 more toys than Kim. Kim has 1. How many more has Bo than Kim?",
        "Ann has 3 bags of 12 pears. How many pears is that?",
        "Tom bakes one more tray of 12 buns and brings 5 more. How many buns?",
        "Each aircraft has 2 pilots and 12 aircraft fly. How many pilots?",
        "There are 4 species and 9 trees of each species. How many trees?",
        "One apple costs $2. Ann buys 3 bananas at $1 each. What does she pay?",
        "Each ticket costs $9. Ann has 3 pens and buys 4 more. How many pens?",
        "One mouse costs $4. Ann buys 4 mice. What does she pay?",
        "One egg costs $1. Ann buys 3 dozen. What does she pay?",
        "Tickets cost $10 each. The price of one ticket rises by 20%. What is it?",
        "The price of one ticket rises from $20 to $25. By how many percent?",
        "The 4 puppies cost $9 each. A cat costs as much as one puppy. And all 5?",
        "The team won 30 games of 50 games played. What is the percentage?",
        "A player who rolls a 6 wins. Of 12 rolls, how many may win?",
        "Tom is 9 and his dad is 30. How much younger is Tom than Dad?",
        "Ann is $5 short of what Ann needs. She needs $20. How much has she?",
        "Ann walks 2.5 km. Bo walks 2.5 km and 1 more. How many km are that?",
        "Ann shares 8 pies among 4 children. How many pies does each child get?",
        "Ann shares 8 pies among 4 friends. How many pies does each person get?",
        "Each girl of 5 gets 2 pens. How many pens does one girl get in 3 days?",
        "A cup costs twice as much as one can. A can is $4. What is a cup?",
        "There are 4 friends and each plants 6 seeds. How many plants come up?",
        "A cap costs $20, a hat $10. The price of each item rises by 10%. What do both cost?",
        "Each fruit costs $2. Sam buys 5 apples. How much does he pay?",
        "Each pen costs $2. He bought 2 souvenirs, spending $15 in total. How much for 3 pens?",
        "Mary-Ann gives Ann 3 apples, Ann gives Ann-Marie 2 of them. How many has she?",
        "The German team scored 7 goals. How many more goals did Brazil score than Germany?",
        "She pours the juice from 3 bottles evenly among 6 bottles. How much is in each?",
        "Bob has 3 more coins than the boy who is behind Bob. He has 5. How many has Bob?",
    ],
)
def test_a_sound_problem_has_no_flaw(question: str) -> None:
    assert find_flaws(question) == []


@pytest.mark.parametrize(
    ("question", "is_problem"),
    [
        ("Ann has 24 pears. She buys 18.", True),
        ("Ann has twelve pens and gives away five. How many has she?", True),
        ("How long is the Danube?", False),
        ("Name the three primary colours.", False),
        ("Which war lasted from 1914 to 1918?", False),
        ("Who came second in the 100 m?", False),
    ],
)
def test_a_word_problem_gives_numbers_to_reckon_with(question: str, is_problem: bool) -> None:
    assert is_word_problem(question) is is_problem


def test_composed_problems_have_no_flaw() -> None:
    for seed in range(150):
        problem = compose_problem(random.Random(seed), "held_out")
        assert find_flaws(problem.text) == [], problem.text


@pytest.mark.parametrize(
    ("question", "value", "reason"),
    [
        ("How many students are there?", Fraction(21, 2), "must be whole"),
        ("How many students are there?", Fraction(-3), "can't be negative"),
        ("How many students are there?", Fraction(3), None),
        ("How many students are there per class on average?", Fraction(21, 2), None),
        ("How many miles did she run?", Fraction(21, 2), None),
    ],
)
def test_people_and_things_are_counted_in_whole_numbers(
    question: str, value: Fraction, reason: str | None
) -> None:
    said = impossible_answer(question, value)
    assert (said is None) if reason is None else reason in str(said)
