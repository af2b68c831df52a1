"""Run the study of the real dumps from top to bottom.

The notebook in the repository keeps no outputs; the executed copy and its pictures go to a folder that
git ignores.
"""

import argparse
import base64
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOK = REPOSITORY / "research" / "research.ipynb"
LIMIT = 180
"""Seconds that one cell may take."""


def main() -> int:
    """Execute the notebook; return 0, or 1 when the data is absent or a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=REPOSITORY / ".xflow" / "research", help="folder of the results")
    out = parser.parse_args().out
    dumps = data_folder()
    if not any(dumps.glob("*/vacancies.parquet")):
        print(
            f"No dumps of vacancies in {dumps}: name the folder that holds vacancies/ in XFLOW_DATA.", file=sys.stderr
        )
        return 1
    started = time.monotonic()
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    out.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=LIMIT,
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns of its own sockets, which are on loopback
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        print(f"{NOTEBOOK.name}: a cell failed.\n{error}", file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, out / NOTEBOOK.name)
    drawn = [write_picture(out, number, data) for number, data in enumerate(pictures(notebook), 1)]
    seconds = time.monotonic() - started
    print(f"{len(notebook.cells)} cells in {seconds:.0f} s; {len(drawn)} pictures and the notebook in {out}")
    return 0


def data_folder() -> Path:
    """Return the folder of the dumps: below ``XFLOW_DATA``, or below the repository's neighbour ``shared/data``."""
    return Path(os.environ.get("XFLOW_DATA") or REPOSITORY.parent / "shared" / "data") / "vacancies"


def pictures(notebook: nbformat.NotebookNode) -> Iterator[bytes]:
    """Yield the pictures of an executed notebook, in order."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            found = output.get("data", {}).get("image/png")
            if found:
                yield base64.b64decode(found)


def write_picture(folder: Path, number: int, data: bytes) -> Path:
    """Write a picture; return its path."""
    path = folder / f"picture-{number:02d}.png"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
