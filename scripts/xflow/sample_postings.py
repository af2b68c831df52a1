"""Generated vacancies as the employer knows them: what is paid, how long it stays open, what is written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from xflow.sample_phrases import (
    DOMAINS,
    GRADES,
    ROLES,
    Grade,
    Role,
    Wording,
    description,
    dirty,
    duties,
    pick,
    requirement,
    snippet,
    title,
)
from xflow.sample_salaries import stated

FIRST_ID = 9_900_000_000
"""Ids of generated vacancies begin here, far above those of hh.ru."""

LISTED_DAYS = 30.0
"""hh.ru lists a publication for 30 days."""

WORDS = 20  # after about so many the API cuts texts
EMPLOYERS = 1500
AREAS = (("1", "Москва", 1.0, 0.6), ("2", "Санкт-Петербург", 0.87, 0.28), ("1620", "Республика Марий Эл", 0.62, 0.12))
CURRENCIES = (
    ("RUR", 1.0, 0.92),
    ("USD", 0.0125, 0.035),
    ("EUR", 0.0108, 0.02),
    ("KZT", 6.5, 0.015),
    ("XTS", 1, 0.01),
)
"""Code, units for one rouble (made up), share. XTS is ISO's code for tests: the dictionary does not know it."""

MEDIAN_DAYS = 11.0


@dataclass(frozen=True, slots=True)
class Employer:
    """An employer: its factors of pay and of days, and its tone."""

    number: int
    pay: float
    days: float
    domain: int
    corporate: bool
    verbal: bool

    @property
    def item(self) -> dict[str, Any]:
        """The employer as a search shows it."""
        name = f"Пример {self.number} (generated)"
        return {"id": str(990_000_000 + self.number), "name": name, "trusted": True}


@dataclass(frozen=True, slots=True)
class Posting:
    """One generated vacancy.

    Attributes
    ----------
    publications
        Days at which it was published, ascending; the first is its creation. Day 0 is the first snapshot.
    end
        Day at which it is closed.
    fate
        What is seen after the end: ``vanished``, ``archived`` or ``deleted``.
    item
        What a search says of it, without the time of publication.
    detail
        What its detail adds.
    """

    publications: tuple[float, ...]
    end: float
    fate: str
    item: dict[str, Any]
    detail: dict[str, Any]

    @property
    def id(self) -> str:
        """The vacancy's id."""
        return str(self.item["id"])

    def published(self, day: float) -> float:
        """Return the latest publication at a day, which may lie a few minutes ahead of it."""
        return next((at for at in reversed(self.publications) if at <= day + 0.01), self.publications[0])

    def listed(self, day: float) -> bool:
        """Return whether a search at a day finds it."""
        return self.publications[0] <= day + 0.01 and day < self.end


def postings(count: int, days: int, seed: int) -> list[Posting]:
    """Return `count` vacancies of which each is listed in at least one of `days` daily snapshots.

    Deterministic by `seed`. About half of them state a salary; see `_salary` and `sample_phrases.dirty` for the rest
    of the dirt.
    """
    rng = np.random.default_rng(seed)
    employers = [_employer(number, rng) for number in range(1, EMPLOYERS + 1)]
    sizes = 1 / np.arange(1, EMPLOYERS + 1) ** 0.6
    made: list[Posting] = []
    source = _stream(employers, sizes / sizes.sum(), days, rng)
    while len(made) < count:
        posting = next(source)
        if any(posting.listed(day) for day in range(days)):
            made.append(posting)
    order = np.argsort([posting.publications[0] for posting in made], kind="stable")
    return [_numbered(made[index], FIRST_ID + place) for place, index in enumerate(order)]


def _stream(
    employers: Sequence[Employer], weights: np.ndarray, days: int, rng: np.random.Generator
) -> Iterator[Posting]:
    last: Posting | None = None
    while True:
        employer = employers[int(rng.choice(len(employers), p=weights))]
        posting = _posting(employer, _start(days, rng), rng)
        if last is not None and rng.random() < 0.05:
            posting = _copied(posting, last, rng)
        yield posting
        last = posting


def _employer(number: int, rng: np.random.Generator) -> Employer:
    pay, slow = rng.lognormal(0, 0.12), rng.lognormal(0, 0.18)
    return Employer(
        number, pay, slow, int(rng.integers(len(DOMAINS))), bool(rng.random() < 0.4), bool(rng.random() < 0.6)
    )


def _start(days: int, rng: np.random.Generator) -> float:
    """Return a day of creation: from 60 days before the first snapshot on, at weekends a third as many."""
    while True:
        day = float(rng.uniform(-60, days))
        if int(np.floor(day)) % 7 not in (2, 3) or rng.random() < 0.35:
            return day


def _posting(employer: Employer, start: float, rng: np.random.Generator) -> Posting:
    role = ROLES[int(rng.choice(len(ROLES), p=(0.24, 0.12, 0.1, 0.16, 0.12, 0.1, 0.1, 0.06)))]
    grade = GRADES[int(rng.choice(len(GRADES), p=(0.2, 0.38, 0.3, 0.12)))]
    area = AREAS[int(rng.choice(len(AREAS), p=[share for *_, share in AREAS]))]
    domain, wealth = DOMAINS[employer.domain] if rng.random() < 0.8 else pick(DOMAINS, rng)
    skills, scarce = _skills(role, rng)
    wording = Wording(role, grade, domain, skills, employer.verbal, employer.corporate, bool(rng.random() < 0.03))
    net = role.pay * grade.pay * area[2] * wealth * employer.pay * 1.08**scarce * rng.lognormal(0, 0.12)
    pace = role.days * employer.days * (0.42 if scarce else 1.4) * (1.15 if grade is GRADES[0] else 1.0)
    lives = float(np.clip(MEDIAN_DAYS * pace * rng.lognormal(0, 0.55), 0.2, 75))
    publications, end = _publications(start, lives, rng)
    item, detail = _texts(wording, rng)
    item |= _facts(employer, role, grade, area, rng) | {"salary": _salary(net, grade, employer.corporate, rng)}
    fate = str(rng.choice(["vanished", "archived", "deleted"], p=[0.5, 0.35, 0.15]))
    return Posting(publications, end, fate, item, detail)


def _skills(role: Role, rng: np.random.Generator) -> tuple[tuple[str, ...], int]:
    """Return one to three skills, and how many of them are scarce."""
    scarce = int(rng.choice([0, 1, 2], p=[0.55, 0.35, 0.1]))
    chosen = [*rng.choice(role.common, size=int(rng.integers(1, 3)), replace=False)]
    chosen = [*rng.choice(role.scarce, size=scarce, replace=False), *chosen]
    return tuple(str(skill) for skill in rng.permutation(chosen)), scarce


def _publications(start: float, lives: float, rng: np.random.Generator) -> tuple[tuple[float, ...], float]:
    """Return the days of publication and of the end: without a new publication it is over after 30 days."""
    if rng.random() < 0.02:
        start = float(np.round(start)) + 0.002  # published three minutes after the snapshot that lists it
    if rng.random() < 0.6:
        return (start,), start + min(lives, LISTED_DAYS)
    gap = float(rng.uniform(3, 14))
    return tuple(start + gap * number for number in range(int(lives / gap) + 1)), start + lives


def _texts(wording: Wording, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    sentences, asked = duties(wording, rng), requirement(wording, rng)
    shown = dirty(snippet(sentences, WORDS), wording, rng)
    item = {
        "name": title(wording),
        "snippet": {"requirement": snippet([asked], WORDS), "responsibility": shown},
    }
    skills = [{"name": skill} for skill in wording.skills]
    return item, {"description": description(sentences, asked), "key_skills": skills}


def _facts(
    employer: Employer, role: Role, grade: Grade, area: tuple[str, str, float, float], rng: np.random.Generator
) -> dict[str, Any]:
    hidden = rng.random()
    shown = None if hidden < 0.015 else {"name": "Скрытый пример (generated)"} if hidden < 0.03 else employer.item
    schedule = pick((("fullDay", "Полный день"), ("fullDay", "Полный день"), ("remote", "Удаленная работа")), rng)
    return {
        "area": {"id": area[0], "name": area[1]},
        "employer": shown,
        "type": {"id": "anonymous", "name": "Анонимная"} if hidden < 0.03 else {"id": "open", "name": "Открытая"},
        "professional_roles": [{"id": role.id, "name": role.name}],
        "experience": dict(zip(("id", "name"), grade.experience)),
        "employment": {"id": "full", "name": "Полная занятость"},
        "schedule": dict(zip(("id", "name"), schedule)),
        "premium": bool(rng.random() < 0.02),
        "has_test": bool(rng.random() < 0.05),
        "archived": False,
    }


def _salary(net: float, grade: Grade, corporate: bool, rng: np.random.Generator) -> dict[str, Any] | None:
    """Return what is stated of a monthly net pay: nothing by half, else both ends or one, in one of the currencies.

    Corporations and higher grades say less. A rare salary has its ends in the wrong order.
    """
    if rng.random() < min(0.07 + 0.4 * corporate + 0.17 * GRADES.index(grade), 0.9):
        return None
    code, rate, _ = CURRENCIES[int(rng.choice(len(CURRENCIES), p=[share for *_, share in CURRENCIES]))]
    gross = (True, False, None)[int(rng.choice(3, p=[0.3, 0.6, 0.1]))]
    stated = net * rate / (0.87 if gross else 1.0)
    step = 5000 if code == "RUR" else 10 ** max(int(np.log10(stated)) - 1, 0)
    low, high = (int(max(round(stated * share / step), 1)) * step for share in (0.88, 1.12))
    kind = rng.random()
    if kind < 0.02:
        low, high = high + step, low
    ends = {"from": low, "to": high} if kind < 0.5 else {"from": low, "to": None}
    return ({"from": None, "to": high} if kind > 0.85 else ends) | {"currency": code, "gross": gross}


def _copied(posting: Posting, other: Posting, rng: np.random.Generator) -> Posting:
    """Return a posting with nearly the text of another, as the same work offered twice is, by agencies too."""
    text = other.item["snippet"]["responsibility"]
    if text and rng.random() < 0.5:
        text = text.replace("Вести документацию.", "Вести документы.").replace(". ", "; ", 1)
    same = ("name", "professional_roles", "experience", "salary")
    offered = ("employer", "type") if len(posting.publications) > 1 else ()
    item = posting.item | {name: other.item[name] for name in (*same, *offered)}
    return replace(
        posting, item=item | {"snippet": other.item["snippet"] | {"responsibility": text}}, detail=other.detail
    )


def _numbered(posting: Posting, number: int) -> Posting:
    links = {"url": f"https://generated.invalid/vacancies/{number}", "alternate_url": None}
    return replace(posting, item={"id": str(number)} | posting.item | stated(posting.item["salary"], number) | links)
