"""What becomes of a version that won, by what a person says, and by what was decided while it waited."""

import os
import sys
from typing import Any

import pytest

from small_models import small_pipeline, small_version
from xflow import cli_promotion
from xflow.adapters.memory_promotions import MemoryPromotions
from xflow.adapters.memory_registry import MemoryRegistry
from xflow.errors import ConfigInvalid
from xflow.pipeline_base import PromotionPolicy
from xflow.refs import Approval, ModelVersionRef, Promotion, RunKey, Verdict
from xflow.steps.approval import asked, question
from xflow.steps.promote import promote
from xflow.steps.rollback import Order, put_into_service

APPROVED = Approval(approved=True, by="anna")
REJECTED = Approval(approved=False, by="bert", note="not this week")
SILENCE = Approval(approved=False, note="nobody answered within 72 hours")


def verdict(version: str = "2", champion: str = "1", **changes: Any) -> Verdict:
    found = {
        "version": ModelVersionRef(name="demo", version=version, mlflow_run_id="run"),
        "champion": champion, "outcome": "promoted", "reason": "better", "metric": "mase", "unit": "series",
        "figures": {"holdout_mase_champion": 1.3, "holdout_mase_challenger": 1.2}, "holdout_hash": "h",
        "feature_set": "set",
    }  # fmt: skip
    return Verdict.model_validate(found | changes)


class World:
    """Three versions, of which the first serves."""

    def __init__(self, approval: bool = True) -> None:
        self.pipeline = small_pipeline(promotion={"approval": approval})
        self.registry, self.ledger = MemoryRegistry(), MemoryPromotions()
        for number in (1, 2, 3):
            small_version(self.registry, "demo", number)
        self.by_hand("1", action="promote")

    def by_hand(self, version: str | None, run_id: str = "hand", **order: Any) -> None:
        key = RunKey(pipeline="demo", kind="rollback", run_id=run_id)
        wanted = Order(**{"action": "rollback", "reason": "bad", "by": "eve", "version": version} | order)
        put_into_service(key, self.pipeline, wanted, "", registry=self.registry, ledger=self.ledger)

    def promote(self, found: Verdict, answer: Approval | None) -> Promotion:
        key = RunKey(pipeline="demo", kind="train", run_id="t")
        return promote(key, self.pipeline, found, answer, {}, registry=self.registry, ledger=self.ledger)

    @property
    def champion(self) -> str:
        return self.registry.champion("demo").version


def test_an_approved_version_serves_by_decision_of_the_person() -> None:
    world = World()
    assert world.promote(verdict(), APPROVED).promoted
    row = world.ledger.rows[-1]
    assert (row.outcome, row.decided_by, row.champion_after, world.champion) == ("promoted", "anna", "2", "2")


@pytest.mark.parametrize(("answer", "by", "said"), [(REJECTED, "bert", "not this week"), (SILENCE, None, "72 hours")])
def test_a_refusal_and_silence_keep_the_champion_and_are_kept(answer: Approval, by: str | None, said: str) -> None:
    world = World()
    made = world.promote(verdict(), answer)
    row = world.ledger.rows[-1]
    assert (made.promoted, made.champion, world.champion) == (False, "1", "1")
    assert (row.outcome, row.champion_before, row.champion_after) == ("rejected", "1", "1")
    assert said in row.reason
    assert by is None or row.decided_by == by


def test_without_an_answer_nothing_serves_where_the_file_wants_one() -> None:
    world = World()
    made = world.promote(verdict(), None)
    assert (made.promoted, world.champion) == (False, "1")
    assert "nobody was asked" in made.reason
    assert World(approval=False).promote(verdict(), None).promoted


def test_a_yes_comes_too_late_when_another_version_serves_by_then() -> None:
    world = World()
    world.by_hand("3", "while it waited", action="promote")
    made = world.promote(verdict(), APPROVED)
    assert (made.promoted, made.champion, world.champion) == (False, "3", "3")
    assert "version 3 serves by now" in made.reason
    assert (world.ledger.rows[-1].outcome, world.ledger.rows[-1].champion_after) == ("refused", "3")


def test_a_no_to_a_version_that_was_put_into_service_by_hand_meanwhile_says_what_serves() -> None:
    world = World()
    world.by_hand("2", "while it waited", action="promote")
    made = world.promote(verdict(), SILENCE)
    row = world.ledger.rows[-1]
    assert (made.promoted, made.champion, world.champion) == (False, "2", "2")
    assert (row.outcome, row.champion_before, row.champion_after) == ("rejected", "2", "2")


def test_the_last_task_alone_repeated_after_a_rollback_does_not_undo_it() -> None:
    world = World(approval=False)
    world.promote(verdict(), None)
    world.by_hand(None, "rollback")
    made = world.promote(verdict(), None)
    assert (made.promoted, world.champion) == (False, "1")
    assert "rolled back by eve (bad)" in made.reason


@pytest.mark.parametrize("moved", [False, True])
def test_repeating_the_decision_changes_nothing(moved: bool) -> None:
    world = World()
    if moved:  # the run ended between the alias and the ledger
        world.registry.promote(world.registry.version("demo", "2"), world.registry.champion("demo"))
    first = world.promote(verdict(), APPROVED)
    rows = list(world.ledger.rows)
    assert world.promote(verdict(), APPROVED) == first
    assert world.ledger.rows == rows
    assert (world.champion, world.registry.version("demo", "@previous").version) == ("2", "1")


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (verdict(), True),
        (verdict(champion=""), True),
        (verdict(outcome="kept"), False),
        (verdict(outcome="refused"), False),
        (verdict(champion="2"), False),  # a repeated run, whose version serves already
    ],
)
def test_only_a_version_that_won_and_does_not_serve_is_asked_about(found: Verdict, wanted: bool) -> None:
    assert asked(found) is wanted


def test_the_question_holds_the_figures_that_there_are() -> None:
    subject, body = question(verdict(champion=""), PromotionPolicy())
    assert subject == "Let demo version 2 serve, the first one?"
    assert "| champion | 1.3 |" in body
    assert "95% interval" not in body  # a first model has none


@pytest.mark.parametrize(("given", "answer"), [(True, True), (False, False)])
def test_the_command_line_takes_an_answer(given: bool, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_promotion, "person", lambda: "anna")
    found = cli_promotion.approval(World().pipeline, verdict().model_dump(mode="json"), given)
    assert Approval.model_validate(found) == Approval(approved=answer, by="anna")


def test_the_command_line_without_a_terminal_says_how_to_promote_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    found = cli_promotion.approval(World().pipeline, verdict().model_dump(mode="json"), None)
    assert found is not None
    assert found["approved"] is False
    assert "xflow promote demo --to 2 --reason" in found["note"]


@pytest.mark.parametrize("typed", [True, False])
def test_the_command_line_asks_on_a_terminal(typed: bool, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda question: typed)
    found = cli_promotion.approval(World().pipeline, verdict().model_dump(mode="json"), None)
    assert found is not None
    assert found["approved"] is typed
    assert "| challenger | 1.2 |" in capsys.readouterr().out


def test_the_command_line_asks_nobody_where_the_file_does_not_want_it() -> None:
    assert cli_promotion.approval(World(approval=False).pipeline, verdict().model_dump(mode="json"), None) is None


def test_the_reason_of_a_rollback_is_asked_for_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda question: "sold nothing")
    assert cli_promotion._asked(None) == "sold nothing"
    assert cli_promotion._asked("given") == "given"
    with pytest.raises(ConfigInvalid, match="--reason"):
        cli_promotion._asked("  ")


def test_a_user_without_a_name_is_known_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 50000")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert cli_promotion.person() == f"user {os.getuid()}"
