"""Every speed figure in turn, each in a process of its own: what `make bench` runs.

The overhead of a DAG run is measured on the running stack, on its newest successful runs, so that
`./start.sh demo` comes first.
"""

import subprocess
import sys
from pathlib import Path

BENCHES = (
    ["bench_xgb_speed.py"],
    ["bench_io.py"],
    ["bench_predict.py"],
    ["bench_memory.py"],
    ["bench_overhead.py", "tourism_monthly_train", "tourism_monthly_predict"],
)


def main() -> int:
    """Run all benches; return 1 when one of them missed a limit or failed."""
    here, failed = Path(__file__).parent, []
    for name, *arguments in BENCHES:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, here / name, *arguments], check=False).returncode:
            failed.append(name)
    print(f"\nmissed or failed: {', '.join(failed)}" if failed else "\nevery limit was kept")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
