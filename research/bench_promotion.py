"""How often chance alone makes a champion, and how often a real gain is found.

Chance: two equally good models, whose errors were drawn alike, or a real model's errors with each series' two figures
exchanged at random. A real gain: the exponential smoothing beside the seasonal naive on as many real series.
"""

import argparse

import numpy as np

from bench_accuracy import monthly
from xflow.domain.candidate import Setting, build_candidate
from xflow.domain.metrics import per_series
from xflow.domain.promotion import Holdout, decide
from xflow.pipeline_base import PromotionPolicy

SIZES = (8, 20, 100, 366)
SEASON = 12


def real_errors() -> np.ndarray:
    """Return the MASE of Tourism's test months by series: seasonal naive and exponential smoothing, shape (2, n)."""
    panel, actual = monthly("Tourism")
    setting = Setting(SEASON, actual.shape[1])
    chosen = {"seasonal_naive": {}, "ets": {"model": "ANA", "log": True}}
    fitted = (build_candidate(kind, params, setting).fit(panel) for kind, params in chosen.items())
    made = [each.forecast(panel, actual.shape[1]) for each in fitted]
    return np.array([per_series("mase", actual, each, panel, SEASON) for each in made])


def rate(pairs: np.ndarray, policy: PromotionPolicy) -> float:
    """Return the share of pairs of champion and challenger, shape (r, 2, n), of which the challenger wins."""
    of = Holdout("mase", "series", np.arange(pairs.shape[2]))
    return float(np.mean([decide(*pair, policy, of).promote for pair in pairs]))


def naive_rule(pairs: np.ndarray) -> float:
    """Return the same for the rule that most pipelines have: the lower mean wins."""
    return float((pairs[:, 1].mean(axis=1) < pairs[:, 0].mean(axis=1)).mean())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2_000)
    repeats = parser.parse_args().repeats
    policy, rng = PromotionPolicy(resamples=500), np.random.default_rng(1)
    naive, ets = real_errors()

    def drawn(n: int) -> np.ndarray:
        return np.stack([rng.choice(len(naive), size=n, replace=False) for _ in range(repeats)])

    def exchanged(n: int) -> np.ndarray:
        chosen = drawn(n)
        pair = np.stack([naive[chosen], ets[chosen]], axis=1)
        swap = rng.random((repeats, 1, n)) < 0.5
        return np.where(swap, pair[:, ::-1], pair)

    cases = {
        "normal errors": lambda n: rng.normal(2, 0.5, (repeats, 2, n)),
        "log-normal errors, spread 0.5": lambda n: rng.lognormal(0, 0.5, (repeats, 2, n)),
        "log-normal errors, spread 1.5": lambda n: rng.lognormal(0, 1.5, (repeats, 2, n)),
        "Tourism's errors, exchanged at random": exchanged,
        "a real gain: ETS beside seasonal naive": lambda n: np.stack([naive[c := drawn(n)], ets[c]], axis=1),
    }
    print(f"MASE on Tourism: seasonal naive {naive.mean():.3f}, ETS {ets.mean():.3f}")
    print(f"{'share promoted':<40}" + "".join(f"{f'{n} series':>12}" for n in SIZES) + f"{'lower mean wins, 100':>22}")
    for name, case in cases.items():
        shares = [rate(case(n), policy) for n in SIZES]
        print(f"{name:<40}" + "".join(f"{share:>12.1%}" for share in shares) + f"{naive_rule(case(100)):>22.1%}")


if __name__ == "__main__":
    main()
