"""What the README shows works."""

import json
import re
import shlex
from pathlib import Path

import bench_table
import list_classifiers
import pytest

from jaxanon.cli import parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_python_example_runs(photos, capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    scope = {"paths": [path for path, _ in photos[:2]]}
    exec(compile(code, "README.md", "exec"), scope)
    assert scope["result"].status == ["kept", "kept"]
    capsys.readouterr()


def test_the_commands_parse():
    lines = README.replace("\\\n", " ")
    commands = re.findall(
        r"(?:^|`)jaxanon ((?:anonymize|adapt|transfer|models|bench) ?[^`\n]*)", lines, re.M
    )
    whole = [command for command in commands if " " in command or command == "models"]
    assert len(whole) >= 4
    for command in whole:
        parser().parse_args(shlex.split(command))


PAGES = [str(page.relative_to(ROOT)) for page in sorted(ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_links_lead_somewhere(document):
    path = ROOT / document
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        if not link.startswith("http"):
            assert (path.parent / link).exists(), link


def test_the_table_of_classifiers_is_current():
    assert (ROOT / "docs" / "classifiers.md").read_text() == list_classifiers.page()


def test_the_figures_against_pytorch_are_those_of_the_file():
    """Every row of the page, and each of those that the README picks."""
    page = (ROOT / "docs" / "performance.md").read_text().splitlines()
    files = sorted((ROOT / "docs" / "benchmarks").glob("cpu-2core*.json"))
    tables = {
        file.stem: bench_table.page(json.loads(file.read_text())).splitlines() for file in files
    }
    for table in tables.values():
        assert [line for line in table if line not in page] == []
    table = tables["cpu-2core"]
    picked = [line for line in README.splitlines() if re.match(r"\| (step of|end to end)", line)]
    assert len(picked) >= 6
    assert [line for line in picked if line not in table] == []
