"""The packages that steps import, in one place, for a parent process that forks the steps.

A forked step finds them imported, at no cost; importing all of them takes many seconds. Importing
starts no thread of Python's and no OpenMP pool; the pools of OpenBLAS and Arrow, which it does
start, survive a fork.
"""

import importlib
import logging
import time
import warnings

log = logging.getLogger("xflow")

PACKAGES = (
    "boto3.s3.transfer",
    "etna.datasets",
    "etna.models",
    "etna.pipeline",
    "etna.transforms",
    "evidently.presets",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "mlflow.pyfunc",
    "mlflow.models",
    "numpy",
    "optuna",
    "psycopg2.extras",
    "pyarrow.compute",
    "pyarrow.parquet",
    "pymorphy3",
    "requests",
    "scipy.optimize",
    "sklearn.compose",
    "sklearn.decomposition",
    "sklearn.feature_extraction.text",
    "sklearn.linear_model",
    "sklearn.pipeline",
    "statsforecast.models",
    "tarantool",
    "xgboost",
)


def preload() -> None:
    """Import every package of `PACKAGES`."""
    started = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # etna warns of each optional package that is not installed
        for package in PACKAGES:
            importlib.import_module(package)
    log.info("preloaded the packages of the steps in %.1f s", time.monotonic() - started)
