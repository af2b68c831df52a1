"""Run a task as a worker does. Arguments: a DAG's file in the bundle, the DAG's id, the task's, and an input URI."""

import sys

from run_callbacks import work

if __name__ == "__main__":
    assert '"success"' in work(*sys.argv[1:4], input_uri=sys.argv[4])
