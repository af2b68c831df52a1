"""Golden rows: inputs with a model's answers to them, kept inside the logged model to know it again elsewhere.

Odd inputs are among them: what a request may hold although no training does.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from xflow.columns import SERIES_ID, VALUE

if TYPE_CHECKING:
    from xflow.adapters.mlflow_model import CohortsModel, ForecastModel
    from xflow.domain.vacancies.model import CohortModel

log = logging.getLogger(__name__)

FOLDER = "golden"
INPUTS, OUTPUTS = "inputs.parquet", "outputs.parquet"
INSIDE = Path("artifacts") / FOLDER
"""Where MLflow lays the folder within that of a model."""
ODD_TEXTS = (
    "",
    "жщзц qwrtpl 0x5eed",
    "<p>Писать код &amp; тесты <b>на python</b> и c++</p> \u200b🙂",
    "Разработка и поддержка высоконагруженных сервисов на Python и Go. " * 1_000,
)
SHORT = 2
"""Values of the short series."""


@dataclass(frozen=True, slots=True, eq=False)
class GoldenRows:
    """What a model takes, in the columns of its signature, and what it answered when it was fitted."""

    inputs: pd.DataFrame
    outputs: pd.DataFrame

    def write(self, folder: Path) -> None:
        """Write both tables into a folder, which is made."""
        folder.mkdir()
        self.inputs.to_parquet(folder / INPUTS, index=False)
        self.outputs.to_parquet(folder / OUTPUTS, index=False)

    @classmethod
    def read(cls, model: Path) -> "GoldenRows | None":
        """Return the golden rows of a model's folder; None when it was logged without."""
        folder = model / INSIDE
        if not (folder / INPUTS).is_file():
            return None
        return cls(pd.read_parquet(folder / INPUTS), pd.read_parquet(folder / OUTPUTS))


def golden_rows(wrapped: "ForecastModel | CohortsModel", example: pd.DataFrame) -> GoldenRows:
    """Return a fitted model's answers to its example and to odd inputs.

    Parameters
    ----------
    example
        Rows as the model takes them: vacancies, or the histories of a few series in long form.
    """
    from xflow.domain.forecaster import Forecaster

    model = wrapped.model
    made = _series(wrapped, example) if isinstance(model, Forecaster) else _vacancies(model, example)
    inputs = made.reset_index(drop=True)
    return GoldenRows(inputs, wrapped.predict(None, inputs).reset_index(drop=True))


def _vacancies(model: "CohortModel", example: pd.DataFrame) -> pd.DataFrame:
    columns = [*model.texts, *model.categories]
    odd = pd.DataFrame(
        [{name: text if name in model.texts else text[:20] for name in columns} for text in ODD_TEXTS], dtype=object
    )
    return pd.concat([example.reindex(columns=columns), odd], ignore_index=True)


def _series(wrapped: "ForecastModel | CohortsModel", example: pd.DataFrame) -> pd.DataFrame:
    """Return the example with a short and a constant series, as far as the model's members take them."""
    first = example[example[SERIES_ID] == example[SERIES_ID].iloc[0]].reset_index(drop=True)
    known = int(first[VALUE].notna().sum())
    short = first.iloc[max(0, known - SHORT) :].assign(**{SERIES_ID: "golden short"})
    constant = first.assign(**{SERIES_ID: "golden constant", VALUE: first[VALUE].where(first[VALUE].isna(), 7.0)})
    taken = [each for each in (short, constant) if _takes(wrapped, each)]
    made: pd.DataFrame = pd.concat([example, *taken], ignore_index=True)
    return made


def _takes(wrapped: "ForecastModel | CohortsModel", series: pd.DataFrame) -> bool:
    try:
        wrapped.predict(None, series)
    except Exception as error:  # noqa: BLE001  # a member's library may raise anything: then such requests fail as well
        log.warning("golden rows are without the series %r: %s", series[SERIES_ID].iloc[0], error)
        return False
    return True
