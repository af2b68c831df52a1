import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xflow.domain.vacancies.text import LONGEST_CLEANED, clean, lemmas, normalised


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        (None, ""),
        ("", ""),
        (" \n\t ", ""),
        ("Опыт <highlighttext>python</highlighttext>-разработки", "Опыт python-разработки"),
        ("<p>Первое</p><ul><li>второе</li><li>третье</li></ul>", "Первое второе третье"),
        ("чай&nbsp;&amp; кофе&#8230;", "чай & кофе..."),
        ("зарплата < 5 и > 3", "зарплата < 5 и > 3"),
        ("до<br/>после<!-- <b>нет</b> -->", "до после"),
        ("ко\u00adфе\u200b и\x00 чай", "кофе и чай"),
        ("ﬁnance ２０２１", "finance 2021"),
        ("Вперёд 🚀", "Вперёд 🚀"),
    ],
)
def test_markup_goes_and_words_stay(raw, cleaned):
    assert clean(raw) == cleaned


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Разработкой и поддержкой систем", "разработка и поддержка система"),
        ("Ещё учёт, ЕЩЕ учет", "еще учет еще учет"),
        ("C++, C#, .NET и 1С", "c++ c# .net и 1с"),
        ("с++ с# 1c", "c++ c# 1с"),  # letters of the other alphabet that look the same
        ("python-разработчика", "python разработчик"),
        ("🚀 ...", ""),
        ("п" * 50, "п" * 50),
    ],
)
def test_lemmas_of_russian_words_and_names_as_they_are(text, expected):
    assert lemmas(text) == expected


def test_texts_that_differ_in_signs_alone_have_one_key():
    assert normalised("Ведение учёта; отчёты...") == normalised("ведение УЧЕТА, отчеты") == "ведение учета отчеты"
    assert normalised("...") == ""
    assert normalised("продажи") != normalised("продажа")


@given(st.text())
def test_any_text_can_be_read(text):
    cleaned = clean(text)
    assert cleaned == " ".join(cleaned.split())
    assert lemmas(cleaned) == " ".join(lemmas(cleaned).split())
    assert normalised(normalised(cleaned)) == normalised(cleaned)


def test_a_text_of_unfinished_comments_does_not_take_for_ever() -> None:
    started = time.process_time()  # of this process alone: other load does not count
    assert clean("да <!-- нет --> и <!--" + "<!--" * 200_000) == "да и"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("digits", ["9" * 5_000, "x" + "f" * 5_000, "0" * 5_000 + "9" * 10, "9" * 5_000 + ";"])
def test_a_reference_of_thousands_of_digits_is_no_character(digits: str) -> None:
    assert clean(f"да &#{digits} нет") == "да \ufffd нет"


@pytest.mark.parametrize(
    "reference", ["&#8230;", "&#x2026;", "&#X2026", "&#00008230;", "&#x00002026;", f"&#{'0' * 5_000}8230;"]
)
def test_a_reference_is_its_character(reference: str) -> None:
    assert clean(reference) == "..."


@pytest.mark.parametrize("text", ["\ufdfa" * 20_000, "слово " * 50_000, "а" * 150_000, " \n" * 30_000 + "б " * 70_000])
def test_a_cleaned_text_has_an_end(text: str) -> None:
    assert LONGEST_CLEANED - 20 < len(clean(text)) <= LONGEST_CLEANED
    assert clean(text) == clean(text).strip()


def test_a_text_of_sixty_thousand_characters_stays_whole() -> None:
    words = "слово " * 11_000
    assert clean(f"<p>{words}</p>") == words.strip()
