"""Text in a language that the grader never saw is told from English, names and figures."""

import pytest

from graders.entailment.language import foreign_language, unreadable_prose


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Le fleuve traverse la ville et se jette dans la mer.", "French"),
        ("Der Fluss entspringt in Deutschland und ist sehr lang.", "German"),
        ("El río nace en Alemania y desemboca en el mar Negro.", "Spanish"),
        ("Il fiume nasce in Germania e sfocia nel mar Nero della regione.", "Italian"),
        ("O rio nasce na Alemanha e deságua em um mar da região.", "Portuguese"),
        ("De rivier is een van de langste in het land.", "Dutch"),
        ("Floden är en av de längsta och den rinner till havet.", "Swedish"),
        ("Rzeka jest długa i nie płynie przez ten kraj, ale przez sąsiedni.", "Polish"),
        ("Bu nehir çok uzun ve bir deniz için önemli.", "Turkish"),
        ("Дунай является рекой, которая впадает в Чёрное море.", "cyrillic script"),
        ("ドナウ川はヨーロッパを流れ、黒海に注ぐ国際河川である。とても長い。", "cjk script"),
    ],
)
def test_another_language_is_named(text: str, language: str) -> None:
    assert language in (foreign_language(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "Charles de Gaulle est né à Lille et il a vécu dans la ville avec sa famille.",
        "La place de la Concorde est une des plus grandes places du centre de Paris.",
        "Die Geschichte der Stadt wird in dem Buch auf eine neue Weise erzählt und gedeutet.",
        "Der Sohn des Grafen von Habsburg ist in der Burg nicht mit dem Vater gesehen worden.",
        "Die Universität der Stadt wurde von dem Kaiser gegründet und ist sehr alt.",
        "Miguel de Cervantes fue un escritor que nació en la ciudad de Alcalá.",
        "La Universidad de Salamanca es la más antigua de las que hay en el país.",
        "Leonardo da Vinci è nato nella città di Vinci ed era il figlio di un notaio.",
        "Vasco da Gama foi um navegador que chegou com as suas naus ao porto.",
        "Vincent van Gogh werd in het dorp Zundert geboren en hij was de zoon van een predikant.",
    ],
)
def test_names_in_a_foreign_sentence_do_not_hide_its_language(text: str) -> None:
    assert "reads as" in (foreign_language(text) or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "C'est la vie.",
        "The Danube rises in Germany and flows into the Black Sea.",
        "He wrote Le Rouge et le Noir and La Chartreuse de Parme in those years.",
        "Los Angeles, San José de la Sierra, Las Palmas and El Paso are cities.",
        "Name: Der Spiegel\nKind: magazine\nFounded: 1947\nCity: Hamburg\nOwner: Rudolf Augstein",
        "12 + 30 = 42; 7 km, 8 km, 9 km.",
        "Charles de Gaulle visited Fontainebleau, Place de la Concorde and Rue de la Paix.",
        "Otto von Bismarck, Ludwig van Beethoven and Johann Wolfgang von Goethe met Caspar David.",
        "Leonardo da Vinci, Lorenzo di Credi, Piero della Francesca painted Ginevra de' Benci.",
        "Vasco da Gama reached Costa do Sol, Rio de Janeiro, Foz do Arelho, Vila Nova de Gaia.",
        "José Ortega y Gasset quotes Miguel de Cervantes, Lope de Vega, Calderón de la Barca.",
        "Museums: Musée du Louvre, Musée de l'Orangerie, Musée d'Orsay, Petit Palais de la Ville.",
        "Charles de Gaulle, Guy de Maupassant, Simone de Beauvoir, Place de la Bastille.",
        '{"name": "La Super-Rica Taqueria", "city": "Santa Barbara", "stars": 4.0}',
    ],
)
def test_english_names_and_figures_pass(text: str) -> None:
    assert foreign_language(text) is None


def test_prose_without_common_english_words_does_not_read_as_english() -> None:
    finnish = "Joki virtaa kaupungin halki ja laskee mereen pitkän matkan jälkeen hitaasti " * 5
    assert "does not read as English" in (unreadable_prose(finnish) or "")
    assert unreadable_prose("The river flows through it and is very long. " * 6) is None
