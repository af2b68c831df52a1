"""Report a wrong pipeline file as an import error of Airflow.

The files that make the DAGs leave a wrong pipeline out, so that one mistake does not take the DAGs
of all other pipelines away. This one holds no DAG: it reads every file, with what the environment changes of it,
and fails on a wrong one.
"""

from pathlib import Path

from xflow.pipeline import load_all
from xflow.settings import pipelines_folder

load_all(pipelines_folder(Path(__file__).parent))
