"""What the board's answers are made from."""

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import to_json
from starlette.responses import Response

from xflow.adapters.board_reader import BoardReader, Reading, Row
from xflow.adapters.drift_pages import DriftPages
from xflow.pipeline import AnyPipeline, Pipeline
from xflow.serving.access import SignInThrottle
from xflow.serving.board.answers import Answers
from xflow.serving.board.links import Links
from xflow.serving.board.sessions import Sessions
from xflow.serving.problems import Problem
from xflow.serving.served import ServedModels
from xflow.settings import ServingSettings
from xflow.vacancy_pipeline import VacancyPipeline

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TEXT = 2_000
"""Characters of a message that are shown; errors may be long."""

Json = dict[str, Any]

PREDICTS = """
SELECT run_key, run_id, bundle, as_of, started_at, model_name, model_version, rows_out
FROM mart.run
WHERE pipeline = %(pipeline)s AND kind = 'predict' AND state = 'success'
ORDER BY as_of COLLATE "C" DESC NULLS LAST, started_at DESC, run_key DESC
LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class View:
    """Pipelines, the models in service, the mart, and where links lead.

    Attributes
    ----------
    environment
        ``dev``, ``staging`` or ``prod``: whose champions are shown.
    """

    environment: str
    pipelines: dict[str, AnyPipeline]
    models: ServedModels
    reader: BoardReader
    links: Links
    pages: DriftPages

    def series_pipeline(self, name: str) -> Pipeline:
        """Return a forecasting pipeline by its name.

        Raises
        ------
        Problem
            404: there is none of that name and kind.
        """
        found = self.pipelines.get(name)
        if not isinstance(found, Pipeline):
            raise self._unknown(name, "forecasting pipeline")
        return found

    def vacancy_pipeline(self, name: str) -> VacancyPipeline:
        """Return a vacancies pipeline by its name; raises as `series_pipeline`."""
        found = self.pipelines.get(name)
        if not isinstance(found, VacancyPipeline):
            raise self._unknown(name, "vacancies pipeline")
        return found

    def pipeline(self, name: str) -> AnyPipeline:
        """Return a pipeline by its name; raises as `series_pipeline`."""
        if name not in self.pipelines:
            raise self._unknown(name, "pipeline")
        return self.pipelines[name]

    def _unknown(self, name: str, kind: str) -> Problem:
        known = ", ".join(sorted(self.pipelines)) or "none"
        return Problem(404, f"there is no {kind} {name[:60]}; there are: {known}", {"path.name": "unknown"})


@dataclass(frozen=True, slots=True)
class Board:
    """The board: who may look, what is shown, and the answers that are kept."""

    view: View
    sessions: Sessions
    throttle: SignInThrottle = field(default_factory=SignInThrottle)
    answers: Answers = field(default_factory=Answers)

    @classmethod
    def of(cls, settings: ServingSettings, pipelines: dict[str, AnyPipeline], models: ServedModels) -> "Board":
        """Return the board of a service."""
        links = Links(settings.airflow_page, settings.mlflow_page)
        pages = DriftPages(settings.mlflow_uri, settings.mlflow_username, settings.mlflow_password)
        view = View(
            environment=settings.environment,
            pipelines=pipelines,
            models=models,
            reader=BoardReader(settings.greenplum_dsn),
            links=links,
            pages=pages,
        )
        key_file = settings.home / "board.key"
        return cls(view, Sessions(settings.board_username, settings.board_password_sha256, key_file))

    async def answer(self, seconds: float, make: "Callable[..., Json]", *asked: object) -> Response:
        """Return what a function makes of the view and what was asked, as JSON; it is kept for some seconds."""
        return await self.answer_of(seconds, lambda: make(self.view, *asked), make.__name__, *asked)

    async def answer_of(self, seconds: float, make: "Callable[[], Json]", *named: object) -> Response:
        """Return what a function makes, as JSON; see `kept`."""
        body = await self.kept(seconds, lambda: to_json(make(), inf_nan_mode="null"), "json", *named)
        return Response(body, media_type="application/json")

    async def kept[T](self, seconds: float, make: "Callable[[], T]", *named: object) -> T:
        """Return what a function made for such a name some seconds ago at most; many who ask have it made once."""
        # The names come with requests and may be long.
        return await self.answers.get(hashlib.sha256(repr(named).encode()).hexdigest(), seconds, make)


def predicts(reading: Reading, pipeline: str, limit: int) -> list[Row]:
    """Return the successful predict runs, those that know the newest data first.

    A backfill of a past date is an older one, whenever it ran.
    """
    return reading.rows(PREDICTS, {"pipeline": pipeline, "limit": limit}) if reading.has("run") else []


def models_of(run: Row) -> list[tuple[str, str]]:
    """Return names and versions of a ledger row's models."""
    names, versions = (str(run[column] or "").split(", ") for column in ("model_name", "model_version"))
    return [pair for pair in zip(names, versions, strict=False) if all(pair)]


def utc(at: datetime | str | None) -> str | None:
    """Return a time, in UTC where it has no zone, as ``2026-11-21T23:13:56Z``; None for a text that is none."""
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError:
            return None
    if at is not None and at.tzinfo is not None:
        at = at.astimezone(UTC).replace(tzinfo=None)
    return None if at is None else f"{at.isoformat(timespec='seconds')}Z"


def shortened(text: str | None) -> str:
    """Return a message at a length that can be shown."""
    known = text or ""
    return known if len(known) <= MOST_TEXT else f"{known[:MOST_TEXT]}…"
