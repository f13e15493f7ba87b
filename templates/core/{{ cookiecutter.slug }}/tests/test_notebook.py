"""The notebook runs from top to bottom on the sample, as it is committed: without outputs."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from support import ROOT

NOTEBOOK = ROOT / "notebooks/explore.ipynb"


def test_it_runs(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("IPYTHONDIR", str(Path("ipython").absolute()))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    done = NotebookClient(
        notebook,
        timeout=300,
        iopub_timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    ).execute()
    kinds = {output.output_type for cell in done.cells if cell.cell_type == "code" for output in cell.outputs}
    assert "error" not in kinds
    assert "execute_result" in kinds


def test_it_is_committed_without_outputs():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
