"""Versions that come into service, with a real registry."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from small_models import small_model, small_panel, small_pipeline
from xflow.adapters.golden import INPUTS, INSIDE, OUTPUTS
from xflow.adapters.mlflow_registry import MlflowRegistry
from xflow.errors import ChampionMissing, DiskFull, ModelDamaged, ModelMissing, ModelRefused, ServiceUnavailable
from xflow.pipeline import Pipeline
from xflow.refs import ModelVersionRef
from xflow.serving.deployments import CHAMPIONS, Deployments
from xflow.serving.model_cache import FILES, MODEL, POINTER, ModelCache, _hashes
from xflow.serving.models import _problem
from xflow.serving.problems import Problem
from xflow.serving.served import ServedModels
from xflow.settings import Settings

pytestmark = pytest.mark.services


@dataclass
class Counted:
    """Takes what the service's metrics take."""

    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def deployed(self, model: str, outcome: str) -> None:
        self.seen[model, outcome] += 1


def patient(name: str, **serving: float) -> Pipeline:
    """Return a pipeline that no load of the machine makes too slow."""
    return small_pipeline(name, serving={"max_latency_ms": 600_000, **serving})


@dataclass
class World:
    """Services that follow one another on one volume."""

    name: str
    registry: MlflowRegistry
    folder: Path
    counted: Counted = field(default_factory=Counted)
    models: ServedModels = field(default_factory=ServedModels)

    def service(self, registry: MlflowRegistry | None = None, **serving: float) -> Deployments:
        """Return a service that has just started."""
        self.models = ServedModels()
        pipeline = patient(self.name, **serving)
        return Deployments(
            {self.name: pipeline}, self.models, registry or self.registry, self.folder, self.counted, ask_again=0.05
        )

    def serves(self) -> list[str]:
        return [each.version.version for each in self.models.all()]

    def kept(self) -> list[str]:
        return sorted(path.name for path in (self.folder / self.name).iterdir())


@pytest.fixture(scope="module")
def registry(stack: Settings) -> MlflowRegistry:
    return MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)


@pytest.fixture(scope="module")
def fetched(
    registry: MlflowRegistry, deployable: list[ModelVersionRef], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A volume with the three versions, none of which was in service."""
    folder = tmp_path_factory.mktemp("fetched")
    for version in deployable:
        ModelCache(folder, registry).fetch(version, [each.version for each in deployable])
    return folder


@pytest.fixture
def world(
    registry: MlflowRegistry,
    deployable: list[ModelVersionRef],
    fetched: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    shutil.copytree(fetched, tmp_path / "models")
    monkeypatch.setenv("XFLOW_PIPELINES", str(tmp_path / "pipelines"))
    return World(deployable[0].name, registry, tmp_path / "models")


@pytest.fixture
def down(stack: Settings, closed_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], MlflowRegistry]]:
    """Make a registry that nobody answers for."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    yield lambda: MlflowRegistry(f"http://127.0.0.1:{closed_port}", stack.mlflow_username, stack.mlflow_password)
    MlflowRegistry(stack.mlflow_uri, stack.mlflow_username, stack.mlflow_password)


def test_a_version_comes_into_service_with_the_answers_that_it_gave_when_it_was_fitted(world: World) -> None:
    service = world.service()
    done = service.deploy(world.name, "1")
    assert (done.version, done.previous, done.outcome, done.target) == ("1", "", "deployed", "")
    assert done.golden_rows == 3 * (4 + 2)  # three steps of four series, a short and a constant one
    assert done.difference == 0.0
    assert 0 < done.p50_ms <= done.p99_ms
    (served,) = world.models.all()
    want = small_model(1.0).forecast(small_panel(), 3)
    assert (served.model.forecast(small_panel(), 3).mean == want.mean).all()
    assert service.deploy(world.name, "1").outcome == "unchanged"
    champion = service.deploy(world.name)
    assert (champion.version, champion.previous, champion.outcome) == ("2", "1", "deployed")
    assert world.counted.seen == {(world.name, "deployed"): 2, (world.name, "unchanged"): 1}
    (state,) = service.states()
    assert (state.version, state.last.outcome) == ("2", "deployed")


def test_the_volume_keeps_what_serves_and_what_did_before(world: World) -> None:
    service = world.service()
    unfinished = world.folder / world.name / ".3-of-a-process-that-was-killed"
    unfinished.mkdir()
    for version in ("1", "2", "3"):
        service.deploy(world.name, version)
    assert world.kept() == ["2", "3", POINTER]
    assert json.loads((world.folder / world.name / POINTER).read_text())["version"] == "3"


def test_a_restart_brings_the_last_good_version_back_without_the_registry(
    world: World, down: Callable[[], MlflowRegistry]
) -> None:
    world.service().deploy(world.name, "3")
    again = world.service(down())
    assert again.waiting_for() == [world.name, CHAMPIONS]
    again.start()
    until(lambda: again.waiting_for() == [])
    assert world.serves() == ["3"]
    with pytest.raises(ServiceUnavailable):
        again.deploy(world.name, "1")
    assert world.serves() == ["3"]
    again.stop()


def test_a_service_without_anything_waits_for_the_registry(world: World, down: Callable[[], MlflowRegistry]) -> None:
    service = world.service(down())
    service.start()
    until(lambda: service._refused)
    assert service.waiting_for() == [CHAMPIONS]
    service.stop()


def test_a_restart_follows_the_champion(world: World) -> None:
    world.service().deploy(world.name, "1")
    again = world.service()
    again.restore()
    assert again.waiting_for() == []
    assert world.serves() == ["2"]


def test_a_champion_that_is_refused_leaves_the_last_good_version_in_service(world: World) -> None:
    world.service().deploy(world.name, "1")
    again = world.service(max_latency_ms=0.001)
    again.restore()
    assert (again.waiting_for(), world.serves()) == ([], ["1"])
    (state,) = again.states()
    assert (state.version, state.last.version, state.last.outcome) == ("1", "2", "refused")
    assert "max_latency_ms" in state.last.reason
    assert world.counted.seen[world.name, "refused"] == 1


def test_with_nothing_in_service_a_slow_champion_is_better_than_none(world: World) -> None:
    service = world.service(max_latency_ms=0.001)
    service.restore()
    assert (service.waiting_for(), world.serves()) == ([], ["2"])
    with pytest.raises(ModelRefused, match="max_latency_ms"):
        service.deploy(world.name, "1")


def damage(world: World, version: str) -> Path:
    """Change one file of a version on the volume; return the folder of its model."""
    folder = world.folder / world.name / version / MODEL
    (folder / "python_model.pkl").write_bytes(b"no model")
    return folder


def test_a_damaged_model_is_never_loaded_and_is_downloaded_again(
    world: World, down: Callable[[], MlflowRegistry]
) -> None:
    world.service().deploy(world.name, "2")
    damage(world, "2")
    again = world.service()
    again.restore()
    assert (world.serves(), again.waiting_for()) == (["2"], [])
    damage(world, "2")
    without = world.service(down())
    without._bring_back(world.name)
    assert (world.serves(), without.waiting_for()) == ([], [CHAMPIONS])
    assert without.states()[0].last.outcome == "failed"


def test_another_registry_that_gives_the_same_number_has_another_model(world: World) -> None:
    world.service().deploy(world.name, "2")
    facts = world.folder / world.name / "2" / FILES
    facts.write_text(facts.read_text().replace(json.loads(facts.read_text())["mlflow_run_id"], "0" * 32))
    pointer = world.folder / world.name / POINTER
    pointer.write_text(ModelVersionRef(name=world.name, version="2", mlflow_run_id="0" * 32).model_dump_json())
    again = world.service()
    again.restore()
    (state,) = again.states()
    assert (state.version, state.last.outcome) == ("2", "deployed")
    assert state.mlflow_run_id == world.registry.version(world.name, "2").mlflow_run_id
    assert json.loads(facts.read_text())["mlflow_run_id"] == state.mlflow_run_id  # downloaded again


def test_what_does_not_answer_as_it_was_fitted_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service()
    service.deploy(world.name, "1")
    whole = world.registry.download
    changes: list[tuple[Callable[[Path], object], str]] = [
        (
            lambda folder: spoil(folder / INSIDE / OUTPUTS, "forecast", 1.001),
            "1 of 18 golden rows have another forecast",
        ),
        (lambda folder: spoil(folder / INSIDE / INPUTS, "value", 2.0), "have another"),
        (lambda folder: shutil.rmtree(folder / INSIDE), "no golden rows"),
        (lambda folder: (folder / "python_model.pkl").write_bytes(b"no model"), "cannot be loaded"),
    ]
    for change, said in changes:

        def changed(version: ModelVersionRef, target: Path, change: Callable[[Path], object] = change) -> None:
            whole(version, target)
            change(target)

        monkeypatch.setattr(world.registry, "download", changed)
        with pytest.raises(ModelRefused, match=said):
            service.deploy(world.name, "3")
        service._cache.prune(world.name, {"1"})
        assert (world.serves(), service.states()[0].last.version) == (["1"], "3")
        assert json.loads((world.folder / world.name / POINTER).read_text())["version"] == "1"
    with pytest.raises(ModelRefused):
        service.deploy(world.name, "3")
    monkeypatch.setattr(world.registry, "download", whole)
    assert service.deploy(world.name, "3").outcome == "deployed"  # files that cannot be loaded are not kept


def spoil(path: Path, column: str, factor: float) -> None:
    frame = pd.read_parquet(path)
    frame.loc[0, column] *= factor
    frame.to_parquet(path, index=False)


def test_a_version_for_another_configuration_or_too_slow_is_refused(world: World) -> None:
    service = world.service()
    service.deploy(world.name, "1")
    other = patient(world.name)
    other = other.model_copy(update={"model": other.model.model_copy(update={"levels": (0.5,)})})
    service._pipelines[world.name] = other
    with pytest.raises(ModelRefused, match="levels"):
        service.deploy(world.name, "3")
    service._pipelines[world.name] = patient(world.name, max_latency_ms=0.001)
    with pytest.raises(ModelRefused, match="max_latency_ms"):
        service.deploy(world.name, "3")
    assert world.serves() == ["1"]


def test_what_is_not_there_is_missing(world: World) -> None:
    service = world.service()
    for name, which in ((world.name, "99"), (world.name, "@nobody"), ("nobodys", "1")):
        with pytest.raises(ModelMissing):
            service.deploy(name, which)
    service._pipelines["empty"] = small_pipeline("t_without_versions")
    with pytest.raises(ChampionMissing):
        service.deploy("t_without_versions")
    assert {name for name, _ in world.counted.seen} <= {world.name, "t_without_versions"}


def test_a_version_whose_files_are_gone_is_refused_with_what_helps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.service()
    service.deploy(world.name, "1")

    def gone(version: ModelVersionRef, target: Path) -> None:
        assert target.is_dir()
        raise ModelDamaged(f"{version.name} version {version.version}: its files in MLflow are gone.")

    monkeypatch.setattr(world.registry, "download", gone)
    with pytest.raises(ModelDamaged, match=f"Name another version; or train again: {world.name}_train") as caught:
        service.deploy(world.name, "3")
    assert (world.serves(), service.states()[0].last.outcome) == (["1"], "refused")
    told = _problem(caught.value, world.name, "3")
    assert isinstance(told, Problem)
    assert (told.status, "what is in service stays" in str(told.detail)) == (409, True)


def test_a_download_that_breaks_off_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service()
    service.deploy(world.name, "1")
    whole = world.registry.download

    def broken(version: ModelVersionRef, target: Path) -> None:
        whole(version, target)
        (target / "python_model.pkl").unlink()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(world.registry, "download", broken)
    with pytest.raises(DiskFull, match="No space left"):
        service.deploy(world.name, "3")
    assert (world.serves(), world.kept()) == (["1"], ["1", POINTER])


def test_a_refused_version_and_a_killed_download_keep_no_space(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    service = world.service()
    service.deploy(world.name, "1")
    service.deploy(world.name, "2")
    service._pipelines[world.name] = patient(world.name, max_latency_ms=0.001)
    with pytest.raises(ModelRefused):
        service.deploy(world.name, "3")
    assert world.kept() == ["2", POINTER]
    (world.folder / world.name / ".1-of-a-process-that-was-killed").mkdir()
    whole, seen = world.registry.download, []

    def watched(version: ModelVersionRef, target: Path) -> None:
        seen.extend(name for name in world.kept() if target.parts[-3] != name)
        whole(version, target)

    monkeypatch.setattr(world.registry, "download", watched)
    with pytest.raises(ModelRefused):
        service.deploy(world.name, "1")
    assert seen == ["2", POINTER]  # there is space before it is needed


def test_a_champion_that_is_refused_with_nothing_in_its_place_is_told(world: World) -> None:
    world.service().deploy(world.name, "2")
    outputs = world.folder / world.name / "2" / MODEL / INSIDE / OUTPUTS
    spoil(outputs, "forecast", 1.001)
    facts = world.folder / world.name / "2" / FILES
    facts.write_text(json.dumps(json.loads(facts.read_text()) | {"files": _hashes(facts.parent / MODEL)}))
    again = world.service()
    again.restore()
    assert (world.serves(), again.waiting_for()) == ([], [])
    told = "version 2 refused: 1 of 18 golden rows have another forecast than when it was fitted"
    assert again.refused() == {world.name: told}
    assert again.states()[0].last.outcome == "refused"
    assert world.kept() == ["2", POINTER]  # another image may load it
    again.deploy(world.name, "1")
    assert again.refused() == {}


def test_a_model_whose_first_deployment_is_refused_was_not_due(world: World) -> None:
    service = world.service(max_latency_ms=0.001)
    with pytest.raises(ModelRefused):
        service.deploy(world.name, "1")
    assert service.refused() == {}


@pytest.mark.parametrize("text", ["[]", "null", "7", "{"])
def test_a_list_of_files_that_is_none_is_made_anew(world: World, text: str) -> None:
    (world.folder / world.name / "2" / FILES).write_text(text)
    assert world.service().deploy(world.name, "2").outcome == "deployed"


def test_a_champion_that_fails_for_no_known_reason_is_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, put = world.service(), Deployments._put
    faults = [RuntimeError("can't start new thread")]

    def once(self: Deployments, *given: object, **more: bool) -> object:
        if faults:
            raise faults.pop()
        return put(self, *given, **more)

    monkeypatch.setattr(Deployments, "_put", once)
    assert not service._follow()
    assert service.waiting_for() == [world.name]
    service.restore()
    assert (world.serves(), service.waiting_for()) == (["2"], [])


def test_requests_during_swaps_are_answered_by_one_version_or_the_other(world: World) -> None:
    service = world.service()
    service.deploy(world.name, "1")
    widths = {"1": 1.0, "2": 2.0, "3": 1.0}
    want = {name: small_model(width).forecast(small_panel(), 3).bounds[0] for name, width in widths.items()}
    ended, wrong, seen = threading.Event(), [], Counter[str]()

    def ask() -> None:
        while not ended.is_set():
            served = world.models.named(world.name)
            made = served.model.forecast(small_panel(), 3).bounds[0]
            seen[served.version.version] += 1
            if not (made == want[served.version.version]).all():
                wrong.append(served.version)

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        try:
            both = [pool.submit(service.deploy, world.name, version) for version in ("2", "3")]
            outcomes = [each.result().outcome for each in both]
        finally:
            ended.set()
        for each in asking:
            each.result()
    assert (outcomes, wrong) == (["deployed", "deployed"], [])
    assert set(seen) <= {"1", "2", "3"}
    assert world.serves()[0] in ("2", "3")
    assert json.loads((world.folder / world.name / POINTER).read_text())["version"] == world.serves()[0]


def until(done: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(600):
        if done():
            return
        waiting.wait(0.05)
    pytest.fail("it never came")
