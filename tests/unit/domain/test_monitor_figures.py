"""The picture of a monitor, of series and of cohorts."""

import io
import math

import pytest

from xflow.domain.monitor_figures import realised
from xflow.domain.monitoring import Cell
from xflow.pipeline_base import MonitorPolicy

POLICY = MonitorPolicy(min_count=10, worse_than=1.5)
SERIES = [
    *[
        Cell("", "", "window", f"2026-0{i}-01", 5 * i, {"mase": i / 2, "mae": 1.0, "coverage_80": 0.7})
        for i in range(1, 6)
    ],
    *[Cell("", "", "step", str(step), 10, {"mase": 1.0}) for step in (1, 2, 10)],
]
COHORTS = [
    Cell("salary", "", "window", "2026-01-05", 20, {"log_loss": 1.0, "accuracy": 0.5}),
    Cell("salary", "", "cohort", "below $100k", 20, {"log_loss": 1.0, "accuracy": 0.5}),
]


@pytest.mark.parametrize("holdout", [1.0, math.nan])
@pytest.mark.parametrize(("cells", "metric"), [(SERIES, "mase"), (COHORTS, "log_loss"), ([], "mase")])
def test_it_can_be_drawn(cells: list[Cell], metric: str, holdout: float) -> None:
    png = io.BytesIO()
    realised(cells, metric, holdout, POLICY).savefig(png)
    assert png.getvalue().startswith(b"\x89PNG")


def test_bad_windows_are_marked_and_steps_are_in_order() -> None:
    over_time, by_step, _, _ = realised(SERIES, "mase", 1.0, POLICY).axes
    marks = {each.get_label(): len(each.get_offsets()) for each in over_time.collections}
    assert marks == {"bad window": 2, "not judged: too few outcomes": 1}
    assert list(by_step.lines[0].get_xdata()) == [1, 2, 10]
    assert over_time.get_ylabel() == "MASE (lower is better)"
