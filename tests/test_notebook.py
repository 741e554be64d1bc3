"""The notebook for beginners runs, top to bottom, as a notebook and as a script.

Both run with fewer photos than it has, so that they do not take ten minutes.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "quickstart.ipynb"
ITS_PHOTOS = "jaxanon.demo_photos()[:5]"


def with_photos(source, number):
    assert source.count(ITS_PHOTOS) == 1
    return source.replace(ITS_PHOTOS, f"jaxanon.demo_photos()[:{number}]")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's packages
def test_it_runs_and_shows_what_it_promises(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.reads(with_photos(NOTEBOOK.read_text(encoding="utf-8"), 2), as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    shown = "\n".join(
        out.get("text") or "".join(out.get("data", {}).get("text/html", "")) for out in outputs
    )
    assert not [out for out in outputs if out.output_type == "error"]
    assert shown.count("data:image/jpeg;base64,") == 2 * 4
    assert "apache-2.0" in shown, "the card of a classifier"
    tables = re.findall("lite2.in1k</td>.*?([0-9.]+) %</td>.*?([0-9.]+) %</td>", shown)
    (_, fast), (_, transferred) = tables
    assert float(transferred) >= float(fast) + 40
    assert "2 images: 2 kept" in shown
    assert "report.html" in shown
    assert "gradients per second" in shown


@pytest.mark.slow
def test_it_runs_as_a_script(tmp_path):
    words = ["-m", "nbconvert", "--to", "script", str(NOTEBOOK), "--output-dir", str(tmp_path)]
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    script = tmp_path / "quickstart.py"
    script.write_text(with_photos(script.read_text(encoding="utf-8"), 1), encoding="utf-8")
    env = {**os.environ, "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert "1 image: 1 kept" in run.stdout


def test_it_holds_no_outputs():
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs")
