"""Run notebooks from top to bottom: those named, or the study of the real dumps.

A notebook in the repository keeps no outputs; the executed copies and their pictures go to a folder that
git ignores.
"""

import argparse
import asyncio
import base64
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

REPOSITORY = Path(__file__).resolve().parents[1]
STUDY = REPOSITORY / "research" / "research.ipynb"
LIMIT = 180
"""Seconds that one cell may take."""
AT_ONCE = 2
"""Notebooks that run at the same time."""


def main() -> int:
    """Execute the notebooks; return 0, or 1 when the data of the study is absent or a cell fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help=f"what to run; default: {STUDY.name}")
    parser.add_argument("--out", type=Path, default=REPOSITORY / ".xflow" / "research", help="folder of the results")
    arguments = parser.parse_args()
    notebooks = [path.resolve() for path in arguments.notebooks] or [STUDY]
    dumps = data_folder()
    if STUDY in notebooks and not any(dumps.glob("*/vacancies.parquet")):
        print(
            f"No dumps of vacancies in {dumps}: name the folder that holds vacancies/ in XFLOW_DATA.", file=sys.stderr
        )
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    return 0 if asyncio.run(run_all(notebooks, arguments.out)) else 1


async def run_all(notebooks: Sequence[Path], out: Path) -> bool:
    """Run notebooks, a few at a time; return whether all went through."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(path: Path) -> bool:
        async with gate:
            return await run(path, out)

    return all(await asyncio.gather(*map(one, notebooks)))


async def run(path: Path, out: Path) -> bool:
    """Execute one notebook in its own folder, write what came of it; return whether every cell went through."""
    started = time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    try:
        # Sockets in a folder: of free ports, another process may take one before the kernel does.
        with tempfile.TemporaryDirectory(prefix="xflow-") as sockets:
            client = NotebookClient(
                notebook,
                km=AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel"),
                timeout=LIMIT,
                resources={"metadata": {"path": str(path.parent)}},
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
            )
            await client.async_execute(cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        print(f"{path.name}: a cell failed.\n{error}", file=sys.stderr)
        return False
    finally:
        nbformat.write(notebook, out / path.name)
    drawn = [write_picture(out, f"{path.stem}-{at:02d}", data) for at, data in enumerate(pictures(notebook), 1)]
    seconds = time.monotonic() - started
    print(f"{path.name}: {len(notebook.cells)} cells in {seconds:.0f} s, {len(drawn)} pictures; in {out}")
    return True


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


def write_picture(folder: Path, name: str, data: bytes) -> Path:
    """Write a picture; return its path."""
    path = folder / f"{name}.png"
    path.write_bytes(data)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
