"""The steps of a collection: snapshots of hh.ru, their history, and what is delivered from it."""

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xflow import refs
from xflow.code_version import git_commit
from xflow.errors import ConfigInvalid
from xflow.pipeline import Pipeline, load
from xflow.runner import Json, Runner, dump
from xflow.vacancy_pipeline import Collect, VacancyPipeline

if TYPE_CHECKING:
    from xflow.adapters.vacancy_history import GreenplumHistory

NO_CONTACT = ".invalid)"
"""End of a user agent that nobody has put a contact into."""


class CollectRunner(Runner):
    """Runs the steps of one collection; see `Runner`."""

    @property
    def vacancies(self) -> VacancyPipeline:
        """The pipeline, which must be one of vacancies."""
        if not isinstance(self.pipeline, VacancyPipeline):
            raise ConfigInvalid(f"{self.pipeline.name} is no pipeline of vacancies: there is nothing to collect")
        return self.pipeline

    @property
    def section(self) -> Collect:
        """The `collect` section of the pipeline's file."""
        if self.vacancies.collect is None:
            raise ConfigInvalid(f"{self.pipeline.name}: its file has no section collect")
        return self.vacancies.collect

    @cached_property
    def history(self) -> "GreenplumHistory":
        """The history of the pipeline's vacancies."""
        from xflow.adapters.vacancy_history import GreenplumHistory

        section = self.section
        return GreenplumHistory(
            self.settings.greenplum_dsn, self.pipeline.name, section.gone_after, section.window_days
        )

    def start(self, now: str) -> str:
        """Open the run in the ledger and make the tables that it needs; return when its snapshot was taken.

        That is `now`, an ISO timestamp in UTC without a zone, but what it was the first time for a repeated run: a
        finished snapshot stays what it is, and one of the same day is gone on with.
        """
        from xflow.steps.kinds import input_kind

        with self._step("start"):
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            self.history.prepare()
            before = self.mart.run(self.key) or {}
            first = before.get("as_of") or now
            taken_at: str = first if before.get("state") == "success" or first[:10] == now[:10] else now
            code = {"git_commit": git_commit(), "bundle": self.bundle}
            self.mart.start_run(self.key, {"as_of": taken_at, "input_uri": self.section.url, **code})
            return taken_at

    def collect(self, taken_at: str) -> Json:
        """Fetch a snapshot; return a `SnapshotRef`.

        Parameters
        ----------
        taken_at
            From `start`.
        """
        from xflow.adapters.hh import HhApi
        from xflow.adapters.rate_limit import TarantoolRateLimit
        from xflow.domain.vacancies.slices import scope
        from xflow.steps.collect import SOURCE, collect
        from xflow.steps.snapshots import newest_snapshot, raw_prefix
        from xflow.steps.update_history import refuse_mixture

        section = self.section
        with self._step("collect"):
            if section.user_agent.endswith(NO_CONTACT):
                raise ConfigInvalid(
                    f"{self.pipeline.name}: collect.user_agent is {section.user_agent}: hh.ru wants the address of "
                    "whoever collects. Write yours into the pipeline's file."
                )
            refuse_mixture(self.pipeline.name, self.history, SOURCE)
            name = urlsplit(section.url).netloc
            limiter = TarantoolRateLimit(self.settings.tarantool_uri, name, section.requests_per_second)
            mine = scope(section.queries, section.window_days)
            return dump(
                collect(
                    self.key,
                    section,
                    taken_at,
                    git_commit(),
                    store=self.store,
                    api=HhApi(section.url, section.user_agent, limiter, self.settings.hh_token or None),
                    previous=newest_snapshot(self.store, raw_prefix(self.pipeline.name)),
                    wanted=lambda listed: self.history.wanted(mine, listed),
                    progress=self.progress,
                )
            )

    def update_history(self) -> Json:
        """Merge the snapshots that the history lacks; return a `HistoryUpdate`."""
        from xflow.steps.update_history import update_history

        with self._step("update_history"):
            return dump(update_history(self.pipeline.name, store=self.store, history=self.history))

    def deliver(self, update: Json) -> Json | None:
        """Write what train and predict read; return a `Delivery`, or None without any snapshot."""
        from xflow.steps.deliver import deliver

        with self._step("deliver"):
            newest = refs.HistoryUpdate.model_validate(update).newest
            if newest is None:
                return None
            return dump(deliver(self.vacancies, newest, store=self.store, history=self.history))

    def market(self, update: Json) -> Json | None:
        """Load and deliver the daily market; return a `MarketDelivery`, or None where nobody wants it."""
        from xflow.steps.market import market

        with self._step("market"):
            newest = refs.HistoryUpdate.model_validate(update).newest
            if newest is None or self.section.market is None:
                return None
            forecasting = load(self.pipelines / f"{self.section.market}.yaml")
            if not isinstance(forecasting, Pipeline):
                raise ConfigInvalid(f"{self.pipeline.name}: collect.market {forecasting.name} does not forecast series")
            return dump(market(forecasting, newest, store=self.store, history=self.history))

    def finish(self, snapshot: Json | None, delivery: Json | None) -> None:
        """Close the run in the ledger."""
        with self._step("finish"):
            taken = refs.SnapshotRef.model_validate(snapshot) if snapshot else None
            delivered = refs.Delivery.model_validate(delivery) if delivery else None
            facts = {
                "state": "success",
                "rows_in": taken.vacancies if taken else 0,
                "rows_out": delivered.train.rows if delivered else 0,
                "output_uri": delivered.train.uri if delivered else None,
                "message": self._summary(taken, delivered),
            }
            self.mart.note_run(self.key, facts)

    def _summary(self, taken: refs.SnapshotRef | None, delivered: refs.Delivery | None) -> str:
        fetched = "nothing fetched"
        if taken:
            fetched = f"{taken.vacancies} vacancies listed{'' if taken.complete else ', not complete'}"
        if delivered is None:
            return f"{fetched}, nothing delivered: there is no snapshot"
        new = delivered.predict.rows if delivered.predict else 0
        modes = ", ".join(f"{mode} {count}" for mode, count in delivered.salary_modes.items())
        kept = f"; salaries not by the month, no labels: {modes}" if modes else ""
        return f"{fetched}; {delivered.train.rows} vacancies delivered to train, {new} to predict{kept}"
