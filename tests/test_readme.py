"""What the README shows works."""

import json
import re
import shlex
import shutil
from pathlib import Path

import bench_table
import list_classifiers
import numpy as np
import pytest
from ablation_report import summary

from jaxanon.adaptation.settings import Settings
from jaxanon.cli import COMMANDS, parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FLAT = " ".join(README.split())


def test_it_is_read_in_one_go():
    assert len(README.split()) <= 800


@pytest.mark.slow
def test_the_python_example_runs(photos, tmp_path, monkeypatch):
    """On each of two photos, in five lines; the saved file is what was adapted."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    lines = [line for line in code.splitlines() if line and not line.startswith("from ")]
    assert len(lines) == 5
    for path, _ in photos[:2]:
        (tmp_path / path.stem).mkdir()
        monkeypatch.chdir(tmp_path / path.stem)
        shutil.copy(path, "photo.jpg")
        scope = {}
        exec(compile(code, "README.md", "exec"), scope)
        assert scope["result"].status == ["kept"]
        saved = scope["read_image"]("adapted.png")
        decide = scope["ensemble"].decide
        np.testing.assert_array_equal(decide([saved]), decide([scope["photo"]]))


PAGES = [str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/*.md"))]


def test_the_commands_parse():
    """Those in blocks of every page, and those in the text of the README and of the guide."""
    commands = []
    for document in ["README.md", *PAGES]:
        start = r"^|`" if document in ("README.md", "docs/guide.md") else "^"
        lines = (ROOT / document).read_text().replace("\\\n", " ")
        found = re.findall(rf"(?:{start})jaxanon ((?:{'|'.join(COMMANDS)})\b[^`\n]*)", lines, re.M)
        commands += [command for command in found if " " in command or command == "models"]
    assert len(commands) >= 15
    for command in commands:
        without_streams = re.sub(r" [<>] \S+", "", command)
        parser().parse_args(shlex.split(without_streams, comments=True))


def test_settings_that_the_pages_set_exist():
    settings = Settings()
    for document in ["README.md", *PAGES]:
        for name in re.findall(r"--set ([a-z_]+)=", (ROOT / document).read_text()):
            assert hasattr(settings, name), (document, name)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_links_and_paths_lead_somewhere(document):
    path = ROOT / document
    bases = (ROOT, ROOT / "jaxanon", ROOT / "docs")
    text = path.read_text()
    for name in re.findall(r"\b(?:scripts|jaxanon|tests|classifiers|benchmarks)/[\w/.*-]*\w", text):
        assert "NAME" in name or any(list(base.glob(name)) for base in bases), name
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_the_table_of_classifiers_is_current():
    assert (ROOT / "docs" / "classifiers.md").read_text() == list_classifiers.page()


def test_the_figures_against_pytorch_are_those_of_the_file():
    """Every row of the page, and what the README says of two of them."""
    page = (ROOT / "docs" / "performance.md").read_text().splitlines()
    files = sorted((ROOT / "docs" / "benchmarks").glob("cpu-2core*.json"))
    tables = {
        file.stem: bench_table.page(json.loads(file.read_text())).splitlines() for file in files
    }
    for table in tables.values():
        assert [line for line in table if line not in page] == []
    rows = [line.strip("| ").split(" | ") for line in tables["cpu-2core"]]
    ours, eager, ratio = next(
        row[2:] for row in rows if row[:2] == ["end to end, 70 photos, 3 sources", "PyTorch eager"]
    )
    dropping = next(
        row[-1] for row in rows if row[0].startswith("end to end, 70") and "dropping" in row[1]
    )
    assert f"{ours.split(',')[0]}; the same loop in PyTorch {eager.split(',')[0]};" in FLAT
    assert f"ratio {ratio} ({dropping} if" in FLAT


def test_the_figures_of_transfer_are_those_of_the_file():
    measured = json.loads((ROOT / "docs" / "benchmarks" / "transfer.json").read_text())
    _, body = summary(measured)
    (row,) = [row for row in body if "resnet18" in row[0] and row[1].startswith("blur 12, one")]
    anonymized, fast, _, balanced, transfer = row[2:7]
    assert f"anonymized {anonymized}, `fast` {fast}, `transfer` {transfer}" in FLAT
    assert f"{transfer}, `balanced` {balanced}." in FLAT
