"""Salary and demand cohorts on the shared dumps of hh.ru: the lab's recipe, baselines and the pipeline's models.

Every figure is of rows that the model did not see. The honest split keeps an employer, and texts that are
nearly the same, in one of five folds; the random split, which leaks them, stands beside it for comparison.
What the pipeline's models choose (parameters, members, calibration) they choose by an inner cross-validation
over the groups of each fold's training part.
"""

import argparse
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

import vacancy_dumps
from xflow.domain.vacancies import metrics, model, splits, tuning
from xflow.domain.vacancies.calibration import equal_shares
from xflow.domain.vacancies.candidates import Setting, build
from xflow.domain.vacancies.cohorts import Labels

MAIN = "2021_09_moscow_mariel"
TEXT = ("responsibility",)
FIELDS = ("area_id", "experience_id", "employment_id", "schedule_id", "professional_role_id")
TOKENS, VOCABULARY = 512, 119_547  # BERT's longest text, and the vocabulary of its multilingual model
PIECE = 4  # letters of a word piece, about as many as BERT's have in Russian
FOLDS, INNER, SEED = 5, 3, 0

CANDIDATES = {
    "logistic": ("logistic", {}, {"C": [0.05, 0.5]}),
    "xgb": ("xgb", {"components": 50, "chars": 0, "trees": 150}, {}),
}
SURVIVAL = {"aft": ("aft", {"components": 50, "chars": 0, "trees": 60}, {})}


@dataclass(frozen=True)
class Task:
    """Rows, what is to be learned of them, and what may be seen."""

    frame: pd.DataFrame
    labels: Labels
    texts: tuple[str, ...] = TEXT
    categories: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()
    trials: int = 3

    @property
    def setting(self) -> Setting:
        """What candidates are told."""
        return Setting(self.texts, self.categories, self.boundaries, SEED, "cpu")


Method = Callable[[Task, np.ndarray, np.ndarray], np.ndarray]


def lab(task: Task, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Token ids as numbers into 50 trees of depth 10, learning rate 0.001, as the lab had it.

    Its tokenizer is not at hand: pieces of words are hashed into as large a vocabulary.
    """
    import xgboost

    ids = np.zeros((len(task.frame), TOKENS), dtype=np.float32)
    for row, text in enumerate(task.frame["responsibility"].str.lower()):
        pieces = [word[i : i + PIECE] for word in text.split() for i in range(0, len(word), PIECE)][:TOKENS]
        ids[row, : len(pieces)] = [zlib.crc32(piece.encode()) % VOCABULARY for piece in pieces]
    present, codes = np.unique(task.labels.codes[train], return_inverse=True)
    trees = xgboost.XGBClassifier(n_estimators=50, max_depth=10, learning_rate=0.001, n_jobs=1)
    made = np.zeros((len(test), len(task.labels.cohorts)))
    made[:, present] = trees.fit(ids[train], codes).predict_proba(ids[test])
    return made


def plain(kind: str, **params: float) -> Method:
    """Return a candidate as it comes: no search, no calibration."""

    def method(task: Task, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        candidate = build(kind, params, task.setting)
        return candidate.fit(task.frame.iloc[train], task.labels.take(train)).probabilities(task.frame.iloc[test])

    return method


def linear(task: Task, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Search, calibrate and fit the logistic candidate of the pipeline alone."""
    return ours(task, train, test, {"logistic": CANDIDATES["logistic"]})


def ours(
    task: Task, train: np.ndarray, test: np.ndarray, given: dict[str, tuple[str, dict, dict]] | None = None
) -> np.ndarray:
    """Search, select, calibrate and fit as the train DAG does, within the training rows."""
    frame, labels = task.frame.iloc[train].reset_index(drop=True), task.labels.take(train)
    folds = splits.folds(vacancy_dumps.group(frame), labels.codes, INNER, SEED)
    given = given or CANDIDATES | (SURVIVAL if task.labels.lower is not None else {})
    tuned = {
        name: tuning.tune(
            kind,
            params,
            search,
            frame=frame,
            labels=labels,
            folds=folds,
            setting=task.setting,
            trials=task.trials,
        )
        for name, (kind, params, search) in given.items()
    }
    weights, _ = model.combine({name: found.oof for name, found in tuned.items()}, labels, folds)
    fitted = model.fit_model(
        {name: (weight, build(given[name][0], tuned[name].params, task.setting)) for name, weight in weights.items()},
        {name: tuned[name].oof for name in weights},
        frame=frame,
        labels=labels,
        target="salary",
        boundaries=task.boundaries,
        measure="",
        texts=task.texts,
        categories=task.categories,
    )
    return fitted.probabilities(task.frame.iloc[test])


def logistic(task: Task, train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """TF-IDF of words and characters into a balanced logistic regression, all as sklearn has it."""
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    words = [(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), text) for text in task.texts]
    chars = [(TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True), text) for text in task.texts]
    coded = [(OneHotEncoder(handle_unknown="ignore"), [*task.categories])] if task.categories else []
    fitted = make_pipeline(
        make_column_transformer(*words, *chars, *coded), LogisticRegression(class_weight="balanced", max_iter=1000)
    ).fit(task.frame.iloc[train], task.labels.codes[train])
    made = np.zeros((len(test), len(task.labels.cohorts)))
    made[:, fitted.classes_] = fitted.predict_proba(task.frame.iloc[test])
    return made


METHODS: dict[str, Method] = {
    "lab's recipe": lab,
    "majority": plain("majority"),
    "TF-IDF + logistic": logistic,
    "xFlow, logistic alone": linear,
    "xFlow": ours,
}


def evaluate(task: Task, method: Method, *, honest: bool = True) -> dict[str, float]:
    """Return the scores of five folds' test parts taken together."""
    codes = task.labels.codes
    rows = vacancy_dumps.group(task.frame) if honest else np.arange(len(codes))
    folds = splits.folds(rows, codes, FOLDS, SEED)
    began = time.perf_counter()
    parts = Parallel(n_jobs=2)(delayed(method)(task, train, test) for train, test in folds)
    made = np.zeros(task.labels.feasible.shape)
    even = np.zeros_like(made)
    for (train, test), part in zip(folds, parts, strict=True):
        shares = np.maximum(np.bincount(codes[train], minlength=made.shape[1]), 1) / len(train)
        made[test], even[test] = part, equal_shares(np.maximum(part, 1e-12), shares)
    found = metrics.scores(made, task.labels)
    seconds = time.perf_counter() - began
    return found | {"roc_auc_even": metrics.roc_auc(even, codes), "seconds": seconds}


def row(name: str, found: dict[str, float]) -> None:
    """Print one line of a table."""
    figures = (found[each] for each in ("roc_auc", "roc_auc_even", "macro_f1", "log_loss", "calibration_error"))
    print(
        f"| {name} | " + " | ".join(f"{figure:.3f}" for figure in figures) + f" | {found['seconds']:.0f} |", flush=True
    )


def head(title: str) -> None:
    """Print the head of a table."""
    print(f"\n**{title}**\n")
    print("| | AUC | AUC, equal shares | macro F1 | log loss | ECE | seconds |\n|---|---:|---:|---:|---:|---:|---:|")


def compare(title: str, task: Task, methods: dict[str, Method], leaky: tuple[str, ...]) -> None:
    """Print a table of methods on the honest split, and of some on the random one as well."""
    head(f"{title}: {len(task.frame):,} vacancies, {task.labels.counts()}")
    for name, method in methods.items():
        if name in leaky:
            row(f"{name}, random split (leaky)", evaluate(replace(task, trials=1), method, honest=False))
        row(f"{name}, honest split", evaluate(task, method))


def gains(frame: pd.DataFrame, labels: Labels) -> None:
    """Print what each option adds, with parameters as they come."""
    head("What each option adds: salary, lab's cohorts, the logistic candidate without search, honest split")
    method, fields = plain("logistic"), FIELDS
    texts = {
        "responsibility": (TEXT, ()),
        "+ categories": (TEXT, fields),
        "+ name": ((*TEXT, "name"), ()),
        "+ requirement": ((*TEXT, "requirement"), ()),
        "+ description": ((*TEXT, "description"), ()),
        "+ name, requirement": ((*TEXT, "name", "requirement"), ()),
        "+ name, requirement, categories": ((*TEXT, "name", "requirement"), fields),
        "+ name, requirement, key_skills, categories": ((*TEXT, "name", "requirement", "key_skills"), fields),
        "+ all of them": ((*TEXT, "name", "requirement", "key_skills", "description"), fields),
    }
    for name, (used, categories) in texts.items():
        row(name, evaluate(Task(frame, labels, used, categories), method))


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="a part of one dump, no search: does it run at all?")
    fast = parser.parse_args().fast
    paths = {path.parent.name: path for path in sorted(vacancy_dumps.folder().glob("*/vacancies.parquet"))}
    if MAIN not in paths:
        where = f"no {MAIN}/vacancies.parquet in {vacancy_dumps.folder()}"
        raise SystemExit(f"{where}: set XFLOW_DATA to the folder that holds vacancies/")
    began = time.perf_counter()
    whole = vacancy_dumps.load(paths[MAIN])
    if fast:
        whole = whole.iloc[:: len(whole) // 400].reset_index(drop=True)
    roubles = whole[whole["rouble"]].reset_index(drop=True)
    trials = 1 if fast else 3
    lab_labels, every = vacancy_dumps.lab_salary(roubles), (*TEXT, "name", "requirement")
    lab_task = Task(roubles, lab_labels, trials=trials)
    seen = ("lab's recipe", "TF-IDF + logistic", "xFlow")
    compare("Salary, lab's cohorts, responsibility alone", lab_task, METHODS, seen)
    both = {name: METHODS[name] for name in ("TF-IDF + logistic", "xFlow")}
    wide = replace(lab_task, texts=every, categories=FIELDS)
    compare("Salary, lab's cohorts, name, requirement and categories besides", wide, both, ())
    demand = Task(whole, vacancy_dumps.age(whole), boundaries=(10.0, 20.0), trials=1)
    alone = {name: method for name, method in METHODS.items() if method is not linear}
    compare("Demand, age so far, responsibility alone", demand, alone, seen)
    if not fast:
        gains(roubles, lab_labels)
        others(paths)
    print(f"\n{time.perf_counter() - began:.0f} s")


def others(paths: dict[str, object]) -> None:
    """Print the pipeline's own targets on every dump, by a logistic regression without search."""
    head("Every dump, the pipeline's own cohorts, honest split, all fields, the logistic candidate without search")
    method = plain("logistic")
    for name, path in paths.items():
        frame = vacancy_dumps.load(path)
        for target, labels in (("salary", vacancy_dumps.net_salary(frame)), ("demand", vacancy_dumps.age(frame))):
            task = Task(frame, labels, (*TEXT, "name", "requirement"), FIELDS)
            row(f"{name} {target}, majority", evaluate(task, plain("majority")))
            row(f"{name} {target}", evaluate(task, method))


if __name__ == "__main__":
    main()
