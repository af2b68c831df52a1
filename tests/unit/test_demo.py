from xflow import demo


def test_figures_flatten_nested_numbers_and_leave_the_rest() -> None:
    text = '{"backtest": {"mase": 1.5, "name": "theta"}, "rows": 3, "promoted": true}'
    assert demo.figures(text) == {"backtest.mase": 1.5, "rows": 3.0}


def test_a_run_without_figures_has_none() -> None:
    assert demo.figures(None) == {}


def test_a_log_line_ends_with_the_exception() -> None:
    event = {"timestamp": "T", "event": "Task failed", "error_detail": [{"exc_type": "InputMissing", "exc_value": "x"}]}
    assert demo.log_line(event) == "T Task failed InputMissing: x"


def test_a_mapped_task_shows_its_index() -> None:
    task = {"task_id": "train.tune", "map_index": 2, "state": "running", "duration": None}
    assert "train.tune\\[2]" in demo.line(task)
