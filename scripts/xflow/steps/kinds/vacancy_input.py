"""The input of a vacancies pipeline: flat vacancies, one row each."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from xflow.domain.vacancies.columns import VacancyColumns
from xflow.domain.vacancies.contract import VacancyChecker, offending
from xflow.domain.vacancies.features import NUMBERS, features_frame, text_columns
from xflow.domain.vacancies.records import RecordBlock, record_facts, to_blocks
from xflow.domain.vacancies.rules import VacancyRule
from xflow.domain.verdict import ContractRule
from xflow.refs import CheckedInput, ObjectRef
from xflow.schema import PipelineTables, vacancy_tables
from xflow.steps.input_objects import LocalInput, accepted_batches
from xflow.vacancy_pipeline import VacancyPipeline

PARTS = ""
"""Stands for the delivery of the objects that have no time in their name and lie in no delivery's folder."""

STAMP = re.compile(r"(\d{8}T\d{6})-")
"""Begins the name of a delivery that a collection made."""

_YEAR, _MONTH, _DAY = r"(?P<year>(?:19|20)\d{2})", r"(?P<month>0[1-9]|1[0-2])", r"(?P<day>0[1-9]|[12]\d|3[01])"
_TIME = r"(?:T(?P<hour>[01]\d|2[0-3])(?:[-:_.]?(?P<minute>[0-5]\d))?(?:[-:_.]?(?P<second>[0-5]\d))?)?"

DATES = (
    re.compile(r"(?:year=)?(?P<year>(?:19|20)\d{2})/(?:month=)?(?P<month>\d{1,2})/(?:day=)?(?P<day>\d{1,2})/"),
    re.compile(rf"[^/]*?(?<!\d){_YEAR}(?P<sign>[-_.]?){_MONTH}(?P=sign){_DAY}(?!\d){_TIME}"),
    re.compile(rf"[^/]*?(?<!\d){_DAY}(?P<sign>[-_.]){_MONTH}(?P=sign){_YEAR}(?!\d){_TIME}"),
)
"""How a name below a prefix says the date of its delivery: by folders, or in its first part, the year first or last."""

UNITS = ("year", "month", "day", "hour", "minute", "second")


def delivered_at(name: str) -> datetime | None:
    """Return when a delivery was made, from a name below the prefix: of a date its midnight; None of other names."""
    for written in DATES:
        found = written.match(name)
        given = found.groupdict() if found else {}
        year, month, day, hour, minute, second = (int(given.get(unit) or 0) for unit in UNITS)
        with suppress(ValueError):  # no such day
            return datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # UTC without a zone
    return None


def _delivery(name: str, own: bool) -> str:
    """Return what the delivery of an object is called, from its name below a prefix."""
    first, folder, _ = name.partition("/")
    if STAMP.match(first):
        return first
    if made := delivered_at(name):
        return f"{made:%Y%m%dT%H%M%S}"
    return first if folder and own else PARTS


class VacancyInput:
    """What is special to an input of vacancies; see `xflow.steps.kinds.InputKind`."""

    entity = "vacancy"
    rules: type[ContractRule] = VacancyRule
    hinted: frozenset[ContractRule] = frozenset()
    timezone: str | None = None

    def __init__(self, pipeline: VacancyPipeline) -> None:
        self._pipeline = pipeline

    @property
    def columns(self) -> VacancyColumns:
        """The columns of a vacancy by the names that the pipeline's file gives them."""
        return VacancyColumns(self._pipeline.input.columns, self._pipeline.input.ignore)

    @property
    def tables(self) -> PipelineTables:
        """The mart's tables of the pipeline."""
        return vacancy_tables()

    def chosen(self, objects: Sequence[ObjectRef], location: str, until: datetime | None) -> Sequence[ObjectRef]:
        """Return all objects of the newest delivery up to `until`, or all there are when the pipeline's file says so.

        A delivery holds all that was known when it was made. A later one would not do for an earlier time: of the
        vacancies that were open then it knows what became of them since.

        One delivery is an object or a folder named as a collection names it; all that has the same date, see `DATES`;
        below the pipeline's own prefix, any folder; and all other objects together, which are parts of one.
        """
        if self._pipeline.input.take == "all":
            return objects
        places = (self._pipeline.input.train, self._pipeline.input.predict)
        own = any(location.endswith(f"/{place.removeprefix('s3://')}") for place in places)
        deliveries: dict[str, list[ObjectRef]] = defaultdict(list)
        for ref in objects:
            deliveries[_delivery(ref.uri.removeprefix(location), own)].append(ref)
        known = [
            (name or parts[-1].uri.removeprefix(location), parts)
            for name, parts in deliveries.items()
            if until is None or (made := delivered_at(name)) is None or made <= until
        ]
        return max(known, key=itemgetter(0), default=(PARTS, []))[1]

    def used_until(self, until: datetime | None, newest: datetime | None) -> datetime | None:
        """Return at most the newest snapshot: nobody followed the open vacancies beyond it."""
        return min((moment for moment in (until, newest) if moment), default=None)

    def known_at(self, moment: datetime) -> datetime:
        """Return the moment itself: the newest delivery up to it holds what was known."""
        return moment

    def checker(self, train: bool, until: datetime | None) -> VacancyChecker:
        """Return what judges the rows: their labels, too, when a model is to learn from them."""
        return VacancyChecker(self._pipeline.contract.rates, until, train=train)

    def offending(self, rows: pa.RecordBatch, rule: ContractRule) -> tuple[pa.Array, pa.Array]:
        """Return the column and the value that broke a rule."""
        return offending(rows, VacancyRule(rule))

    def hint(self, rule: ContractRule, rows: pa.RecordBatch) -> str:  # noqa: ARG002  # no rule is hinted
        """Return nothing."""
        return ""

    def facts(self, checked: CheckedInput) -> dict[str, str]:
        """Return the names of numbers and texts, and as_of."""
        model = self._pipeline.model
        return {**record_facts(NUMBERS, text_columns(model.texts, model.categories)), "as_of": checked.as_of}

    def blocks(self, local: LocalInput, codes: npt.NDArray[np.uint8], checked: CheckedInput) -> Iterator[RecordBlock]:
        """Yield tokens, codes and numbers of each accepted vacancy, as known at as_of."""
        facts, model = self.facts(checked), self._pipeline.model
        for batch in accepted_batches(local, codes):
            frame = features_frame(
                batch.rows,
                batch.row_ids,
                texts=model.texts,
                categories=model.categories,
                rates=self._pipeline.contract.rates,
                as_of=datetime.fromisoformat(checked.as_of),
            )
            yield from to_blocks(facts, frame)
