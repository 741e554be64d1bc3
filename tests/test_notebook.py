"""The notebook for beginners runs, top to bottom, as a notebook and as a script."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "quickstart.ipynb"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's packages
def test_it_runs_and_shows_what_it_promises(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    shown = "\n".join(
        out.get("text") or "".join(out.get("data", {}).get("text/html", "")) for out in outputs
    )
    assert not [out for out in outputs if out.output_type == "error"]
    assert shown.count("data:image/jpeg;base64,") == 5 * 4
    assert "apache-2.0" in shown, "the card of a classifier"
    tables = re.findall("lite2.in1k</td>.*?([0-9.]+) %</td>.*?([0-9.]+) %</td>", shown)
    (_, fast), (_, transferred) = tables
    assert float(transferred) >= float(fast) + 40
    assert "5 images: 5 kept" in shown
    assert "report.html" in shown
    assert "gradients per second" in shown


@pytest.mark.slow
def test_it_runs_as_a_script(tmp_path):
    words = ["-m", "nbconvert", "--to", "script", str(NOTEBOOK), "--output-dir", str(tmp_path)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    env = {**os.environ, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "quickstart.py"], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "5 images: 5 kept" in run.stdout


def test_it_holds_no_outputs():
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
