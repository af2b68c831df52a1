"""Addresses of Airflow's and MLflow's pages, for the links of the board."""

from dataclasses import dataclass
from urllib.parse import quote

DAGS = ("collect", "train", "predict", "monitor", "deploy", "rollback")
"""Kinds of runs that have a DAG, in the order in which they follow one another."""


@dataclass(frozen=True, slots=True)
class Links:
    """Links that a browser can open; None where no address is configured.

    Attributes
    ----------
    airflow, mlflow
        Addresses of the two; empty: none.
    """

    airflow: str
    mlflow: str

    def home(self) -> dict[str, str | None]:
        """Return the entry pages."""
        return {"airflow": _page(self.airflow, ""), "mlflow": self._mlflow("models"), "api": "/openapi.json"}

    def pipeline(self, pipeline: str) -> dict[str, str | None]:
        """Return Airflow's list of a pipeline's DAGs, and MLflow's list of experiments of its name."""
        return {
            "airflow": _page(self.airflow, f"dags?name_pattern={quote(pipeline, safe='')}_"),
            "mlflow": self._mlflow("experiments", f"experimentSearchFilter={quote(pipeline, safe='')}&"),
        }

    def dag(self, pipeline: str, kind: str) -> str | None:
        """Return the page of a DAG; None for a kind that has none."""
        return _page(self.airflow, f"dags/{quote(pipeline, safe='')}_{kind}") if kind in DAGS else None

    def run(self, pipeline: str, kind: str, run_id: str, bundle: str | None) -> str | None:
        """Return the page of a run; None for one of the command line, which has no DAG bundle."""
        dag = self.dag(pipeline, kind)
        return f"{dag}/runs/{quote(run_id, safe='')}" if dag and bundle else None

    def model(self, name: str) -> str | None:
        """Return the page of a registered model."""
        return self._mlflow(f"models/{quote(name, safe='')}")

    def version(self, name: str, version: str) -> str | None:
        """Return the page of a model version."""
        return self._mlflow(f"models/{quote(name, safe='')}/versions/{quote(version, safe='')}")

    def artifacts(self, experiment: str, run: str, path: str) -> str | None:
        """Return the page of a file of an MLflow run, of all its files when `path` is empty."""
        return self._mlflow(f"experiments/{experiment}/runs/{run}/artifacts{'/' if path else ''}{path}")

    def _mlflow(self, page: str, query: str = "") -> str | None:
        """Return a page of MLflow's part for models like ours; it opens with that for language models else."""
        return _page(self.mlflow, f"#/{page}?{query}workflowType=machine_learning")


def _page(base: str, path: str) -> str | None:
    return f"{base.rstrip('/')}/{path}" if base else None
