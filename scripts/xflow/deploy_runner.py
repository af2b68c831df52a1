"""The steps of a deployment: which versions, one after the other into the service, and what came of it."""

from functools import cached_property

from xflow.code_version import git_commit
from xflow.errors import ConfigInvalid
from xflow.runner import Json, Runner, dump
from xflow.serving_rest import ServingRest


class DeployRunner(Runner):
    """Runs the steps of one deployment; see `xflow.runner.Runner`."""

    @cached_property
    def service(self) -> ServingRest:
        """The prediction service.

        Raises
        ------
        ConfigInvalid
            Nothing says where it is.
        """
        if not (self.settings.serving_url and self.settings.serving_key):
            raise ConfigInvalid(
                "the prediction service is not known: set XFLOW_SERVING_URL and XFLOW_SERVING_KEY, or in Airflow the "
                "connection xflow_serving with a host, a port and the key as its password"
            )
        return ServingRest(self.settings.serving_url, self.settings.serving_key)

    def choose(self, version: str | None = None, target: str | None = None) -> list[Json]:
        """Choose the versions; return a `DeployOrder` for each model."""
        from xflow.steps.deploy import chosen
        from xflow.steps.kinds import input_kind

        with self._step("choose"):
            self.mart.prepare(self.pipeline.name, input_kind(self.pipeline).tables)
            self.mart.start_run(self.key, {"git_commit": git_commit(), "bundle": self.bundle})
            return [dump(each) for each in chosen(self.pipeline, version, target, registry=self.registry)]

    def deploy(self, order: Json) -> Json:
        """Let the service load, test and swap in one version; return its report."""
        with self._step(f"deploy {order['name']}"):
            return self.service.deploy(order["name"], order["version"])

    def close(self, done: list[Json]) -> None:
        """Write into the ledger what serves now, and how fast it answers."""
        with self._step("close"):
            figures = {
                f"{each['name']}_{figure}": each[figure]
                for each in done
                for figure in ("p50_ms", "p99_ms", "difference")
                if each["outcome"] == "deployed"
            }
            facts = {
                "state": "success",
                "message": "; ".join(map(said, done)),
                "model_name": ", ".join(each["name"] for each in done),
                "model_version": ", ".join(each["version"] for each in done),
                "metrics": figures,
            }
            self.mart.note_run(self.key, facts)


def said(report: Json) -> str:
    """Return in a line what the service did about a version."""
    if report["outcome"] == "unchanged":
        return f"{report['name']}: version {report['version']} answers already"
    found = "{golden_rows} golden rows alike, one row takes {p50_ms:.1f} ms (p99 {p99_ms:.1f})".format_map(report)
    return f"{report['name']}: version {report['version']} answers in place of {report['previous'] or 'none'}: {found}"
