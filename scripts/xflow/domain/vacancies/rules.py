"""The rules for flat vacancies: their codes, what they are about and what to do about a row that breaks one."""

from xflow.columns import RESPONSIBILITY, SNAPSHOT_AT, VACANCY_ID
from xflow.domain.verdict import ContractRule


class VacancyRule(ContractRule):
    """What can be wrong with a row; of several, the first judged is reported. The codes are stored: never reuse one."""

    ACCEPTED = 0
    VACANCY_ID_MISSING = 1
    TIME_UNREADABLE = 2
    SNAPSHOT_MISSING = 3
    TEXT_NUL = 4
    TEXT_TOO_LONG = 5
    RESPONSIBILITY_MISSING = 6
    SALARY_OUT_OF_RANGE = 7
    SALARY_REVERSED = 8
    RATE_OUT_OF_RANGE = 9
    CURRENCY_UNKNOWN = 10
    PUBLISHED_AHEAD = 11
    SEEN_AHEAD = 12
    CLOSED_EARLY = 13
    DUPLICATE = 14
    CONFLICT = 15
    SUPERSEDED = 16
    SALARY_NOT_MONTHLY = 17

    @property
    def advice(self) -> str:
        """What to do about a row that breaks the rule."""
        return ADVICE[self]


LABELS = frozenset(
    {
        *(VacancyRule.SALARY_OUT_OF_RANGE, VacancyRule.SALARY_REVERSED, VacancyRule.RATE_OUT_OF_RANGE),
        *(VacancyRule.CURRENCY_UNKNOWN, VacancyRule.PUBLISHED_AHEAD, VacancyRule.SEEN_AHEAD, VacancyRule.CLOSED_EARLY),
    }
)
"""Rules about labels, which a model learns from: a prediction needs none, so it notes them and rejects no row."""

NOTED = frozenset({VacancyRule.SALARY_NOT_MONTHLY})
"""Rules that reject no row: what they are about is no fault, and gives no label."""

COLUMN = {
    VacancyRule.VACANCY_ID_MISSING: VACANCY_ID,
    VacancyRule.SNAPSHOT_MISSING: SNAPSHOT_AT,
    VacancyRule.RESPONSIBILITY_MISSING: RESPONSIBILITY,
    VacancyRule.SALARY_REVERSED: "salary_from",
    VacancyRule.RATE_OUT_OF_RANGE: "salary_rate",
    VacancyRule.CURRENCY_UNKNOWN: "salary_currency",
    VacancyRule.CLOSED_EARLY: "closed_at",
    VacancyRule.SALARY_NOT_MONTHLY: "salary_mode",
    VacancyRule.DUPLICATE: VACANCY_ID,
    VacancyRule.CONFLICT: SNAPSHOT_AT,
    VacancyRule.SUPERSEDED: SNAPSHOT_AT,
}
"""The column that a rule is about, where that is always the same."""

ADVICE = {
    VacancyRule.VACANCY_ID_MISSING: "give every row the vacancy's id",
    VacancyRule.TIME_UNREADABLE: "times are timestamps, or ISO texts as 2023-09-04T15:45:24+0300, from 1990 to 2099",
    VacancyRule.SNAPSHOT_MISSING: "give every row the time at which all of it was known",
    VacancyRule.TEXT_NUL: "remove NUL characters from the texts",
    VacancyRule.TEXT_TOO_LONG: "texts have at most a million characters; look for a damaged row",
    VacancyRule.RESPONSIBILITY_MISSING: "a vacancy without words in responsibility cannot be learnt from or predicted",
    VacancyRule.SALARY_OUT_OF_RANGE: "salaries are above 0 and below 1e12, or null; 0 counts as null",
    VacancyRule.SALARY_REVERSED: "salary_from is at most salary_to: look for exchanged columns",
    VacancyRule.RATE_OUT_OF_RANGE: "rates are units of the currency for one rouble, finite and above 0, or null",
    VacancyRule.CURRENCY_UNKNOWN: "give salary_rate, or name the currency under contract.rates in the pipeline's YAML "
    "('' there stands for rows that name none)",
    VacancyRule.PUBLISHED_AHEAD: "a vacancy is published at most a day after snapshot_at: look at clocks and zones",
    VacancyRule.SEEN_AHEAD: "a snapshot cannot know what happens more than a day after it: look at clocks and zones",
    VacancyRule.CLOSED_EARLY: "a vacancy closes after it was first seen, or published: look for exchanged columns",
    VacancyRule.DUPLICATE: "write each row once; the first copy was accepted",
    VacancyRule.CONFLICT: "one vacancy says different things at one snapshot_at: keep the right row",
    VacancyRule.SUPERSEDED: "a newer snapshot of the vacancy was accepted: bring the newest state alone "
    "(input.take: newest), or raise contract.max_rejected",
    VacancyRule.SALARY_NOT_MONTHLY: "nothing: pay by the hour, shift or service is kept, and is no monthly salary",
}
