import numpy as np
import pandas as pd

from xflow.domain.vacancies.cohorts import Labels, salary_labels
from xflow.domain.vacancies.text import lemmas
from xflow.vacancy_pipeline import SalaryTarget

SPOKEN = [
    ("Уборка помещений и прием товара на складе", 40_000),
    ("Доставка заказов клиентам, работа с кассой", 60_000),
    ("Ведение учета, подготовка отчетов для руководителя", 110_000),
    ("Разработка сервисов на Python и SQL", 170_000),
    ("Управление отделом и стратегия развития", 300_000),
]
WORDS = "также команда офис задача проект клиент город день опыт график".split()  # noqa: SIM905


def made_frame(n=200, seed=0):
    """Return a features frame whose words tell the salary."""
    rng = np.random.default_rng(seed)
    picked = rng.integers(0, len(SPOKEN), n)
    texts = [f"{SPOKEN[i][0]}, {' '.join(rng.choice(WORDS, 4))}" for i in picked]
    frame = pd.DataFrame({"responsibility": texts, "responsibility_lemmas": [lemmas(text) for text in texts]})
    frame["experience_id"] = np.array(["noExperience", "between1And3", ""], dtype=object)[picked % 3]
    frame["employer_id"] = [str(i) for i in rng.integers(0, n // 3 + 1, n)]
    stated = rng.random(n) < 0.8
    frame["salary_net"] = np.where(stated, np.array([salary for _, salary in SPOKEN], dtype=float)[picked], np.nan)
    # the better paid live longer; the end of half of them has not been seen
    life = (5.0 + 6 * picked) * rng.lognormal(0, 0.3, n)
    seen = rng.uniform(1, 40, n)
    frame["days"], frame["closed"] = np.minimum(life, seen), (life <= seen).astype(float)
    frame["entered"], frame["followed"] = 0.0, seen
    return frame


def salary(frame) -> Labels:
    target = SalaryTarget()
    return salary_labels(frame, target, target.boundaries)
