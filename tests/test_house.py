"""The order of the house: what CONTRIBUTING.md promises of files, functions and public names."""

import ast
import inspect
from collections import Counter
from pathlib import Path

import pytest

import jaxanon

PACKAGE = Path(jaxanon.__file__).parent
SCRIPTS = PACKAGE.parent / "scripts"
FILES = sorted([*PACKAGE.rglob("*.py"), *SCRIPTS.rglob("*.py")])


def nodes(kind, files=FILES):
    """All syntax nodes of a kind, each with its place for messages."""
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, kind):
                yield node, f"{path.relative_to(PACKAGE.parent)}:{node.lineno}"


def test_few_entries_lie_directly_in_the_package():
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 16, sorted(entries)


def test_no_function_is_long():
    lengths = {
        place: node.end_lineno - node.lineno + 1
        for node, place in nodes(ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert len(lengths) > 500
    assert {place: length for place, length in lengths.items() if length > 60} == {}


def test_no_function_takes_many_arguments():
    def count(arguments):
        names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        return len([each for each in names if each.arg not in ("self", "cls")])

    counts = {
        place: count(node.args) for node, place in nodes(ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {place: number for place, number in counts.items() if number > 7} == {}


def test_no_two_classes_have_one_name():
    names = Counter(node.name for node, _ in nodes(ast.ClassDef, sorted(PACKAGE.rglob("*.py"))))
    assert [name for name, times in names.items() if times > 1] == []


def test_public_names_are_listed_once_for_people_and_once_for_type_checkers():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = [alias.name for node in block.body for alias in node.names]
    assert sorted(typed) == sorted(set(jaxanon.__all__) - {"__version__"})
    assert all(hasattr(jaxanon, name) for name in jaxanon.__all__)


def signatures(name):
    """The annotations of a public function, or of a public class's fields and methods."""
    item = getattr(jaxanon, name)
    if inspect.isfunction(item):
        return {name: inspect.get_annotations(item)}
    found = {f"{name} (fields)": inspect.get_annotations(item)}
    for method, value in vars(item).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and (not method.startswith("_") or method == "__init__"):
            found[f"{name}.{method}"] = inspect.get_annotations(function)
    return found


@pytest.mark.parametrize("name", [n for n in jaxanon.__all__ if n != "__version__"])
def test_public_signatures_are_typed(name):
    for place, annotations in signatures(name).items():
        assert not [n for n, text in annotations.items() if "Any" in str(text)], place
