"""The adaptation is a function of anonymized pixels, masks, decisions and the seed alone."""

import ast
import inspect
import re
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from ask_oracles import LabelsAlone
from runs import item, quiet_run
from samples import picture

import jaxanon
from jaxanon import adaptation
from jaxanon.adaptation.settings import preset
from jaxanon.classifiers.classifier import Classifier
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.outside.panel import Panel
from jaxanon.io.images import read_image
from jaxanon.pipeline.item import LoadedImage
from jaxanon.runtime import workers

PACKAGE = Path(adaptation.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
ALLOWED = {
    "jaxanon.runtime",
    "jaxanon.runtime.arrays",
    "jaxanon.runtime.devices",
    "jaxanon.runtime.meter",
    "jaxanon.runtime.precision",
    "jaxanon.runtime.programs",
    "jaxanon.runtime.seeds",
    "jaxanon.errors",
    "jaxanon.io.small_jpeg",  # makes pictures of arrays, reads none
    "jaxanon.classifiers",
    "jaxanon.classifiers.classifier",
    "jaxanon.classifiers.config",
    "jaxanon.classifiers.ensemble",
    "jaxanon.classifiers.keeping",  # compares numbers of classes
    "jaxanon.classifiers.labels",  # reads names of classes
    "jaxanon.classifiers.notebook",  # shows images that it is given
    "jaxanon.classifiers.placed",
    "jaxanon.classifiers.preprocessing",
    "jaxanon.classifiers.resizer",
    "jaxanon.classifiers.ops.resize",
    "jaxanon.classifiers.layers",
    "jaxanon.classifiers.layers.mixup",
}
"""All of jaxanon that the adaptation may reach, itself aside: nothing here reads image files."""
LIBRARIES = {
    "__future__",
    "collections",
    "concurrent",  # threads
    "dataclasses",
    "functools",
    "inspect",  # indents a docstring
    "jax",
    "jaxanon",
    "logging",
    "math",
    "numbers",
    "numpy",
    "optax",
    "scipy",
    "statistics",
    "time",
    "typing",
}
"""All packages that the adaptation itself may import: nothing here asks anybody on a network."""


def imports_of(path: Path) -> set[str]:
    """All modules and names that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively; name the module whole"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def file_of(module: str) -> Path | None:
    """The file of a module of jaxanon; None for what is no module."""
    stem = Path(jaxanon.__file__).parent.joinpath(*module.split(".")[1:])
    path = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    return path if path.exists() else None


def reached(module: str, seen: set[str]) -> set[str]:
    """Modules of jaxanon that a module imports, directly or through others."""
    path = file_of(module)
    if path is not None and module not in seen:
        seen.add(module)
        for name in imports_of(path):
            if name.startswith("jaxanon."):
                reached(name, seen)
    return seen


def test_it_imports_nothing_that_reads_images_even_indirectly():
    assert len(MODULES) >= 8
    for stem in MODULES:
        modules = reached(f"jaxanon.adaptation.{stem}", set())
        others = {name for name in modules if not name.startswith("jaxanon.adaptation")}
        assert others <= ALLOWED, f"adaptation/{stem}.py reaches {others - ALLOWED}"


def test_it_opens_no_files_asks_nobody_and_imports_nothing_by_stealth():
    for stem in MODULES:
        path = PACKAGE / f"{stem}.py"
        roots = {name.split(".")[0] for name in imports_of(path)}
        assert roots <= LIBRARIES, f"adaptation/{stem}.py imports {roots - LIBRARIES}"
        assert not re.search(r"\b(open|eval|exec|__import__)\(", path.read_text())


def test_no_function_takes_the_original():
    checked = 0
    for stem in MODULES:
        module = import_module(f"jaxanon.adaptation.{stem}")
        for name, entry in vars(module).items():
            if getattr(entry, "__module__", None) != module.__name__ or not callable(entry):
                continue
            names = set(inspect.signature(entry).parameters) | set(
                getattr(entry, "__annotations__", {})
            )
            for method in vars(entry).values() if inspect.isclass(entry) else ():
                if inspect.isfunction(method):
                    names |= set(inspect.signature(method).parameters)
            assert not any("original" in parameter.lower() for parameter in names), name
            checked += 1
    assert checked >= 15


class Told(LabelsAlone):
    """Gives labels alone; those of originals are given to it."""

    def __init__(self, classifier, originals, decisions):
        super().__init__(classifier)
        self._told = list(zip(originals, decisions, strict=True))

    def answers(self, questions):
        return [
            next((told for shown, told in self._told if np.array_equal(shown, each.pixels)), label)
            for each, label in zip(questions, super().answers(questions), strict=True)
        ]


def outputs(folder, originals, anonymized, decisions, classifiers, seed, oracles=(), queries=0):
    """Run the pipeline on given anonymized images; the decisions on the originals are forced.

    Those of oracles from outside are theirs to force.
    """

    class Forced(Ensemble):
        def logits_from_views(self, views):
            found = super().logits_from_views(views)
            for row, seen in enumerate(views):
                for i, original in enumerate(originals):
                    if all(map(np.array_equal, seen, self.look(original))):
                        for scores, decision in zip(found, decisions[:, i], strict=True):
                            scores[row, decision] = scores[row].max() + 1
            return found

    settings = preset("transfer", seed=seed, steps=6, max_retries=1, queries=queries)
    items = [
        item(
            f"{i}.png",
            folder / f"{i}.png",
            lambda i=i: LoadedImage(originals[i], anonymized[i], None),
        )
        for i in range(len(originals))
    ]
    names = tuple(each.name for each in oracles)
    options = {"oracles": names, "slots": len(items)}
    run = quiet_run(folder, items, classifiers, oracles, settings, **options)
    ours = [each for each in oracles if isinstance(each, Classifier)]
    others = [each for each in oracles if each not in ours]
    run.stages.intake.panel = Panel(Forced([*classifiers, *ours]), others)
    run.execute()
    return [(folder / f"{i}.png").read_bytes() for i in range(len(originals))]


def test_different_originals_give_equal_bytes(tmp_path, tinies):
    """Equal anonymized images and decisions: the saved files are equal, byte for byte."""
    anonymized = [picture(i, 50, 70) for i in range(4)]
    decisions = np.array([[1, 2, 3, 4], [6, 5, 4, 3]])
    first = [picture(20 + i, 50, 70) for i in range(4)]
    second = [picture(40 + i, 50, 70) for i in range(4)]
    a = outputs(tmp_path / "a", first, anonymized, decisions, tinies[:2], 0)
    b = outputs(tmp_path / "b", second, anonymized, decisions, tinies[:2], 0)
    assert a == b
    c = outputs(tmp_path / "c", first, anonymized, decisions, tinies[:2], 1)
    d = outputs(tmp_path / "d", first, anonymized, (decisions + 1) % 7, tinies[:2], 0)
    assert a != c, "the seed must matter"
    assert a != d, "the decisions must matter"
    everyone = np.vstack([decisions, [[0, 1, 2, 3]]])
    oracle = tinies[2:]
    e = outputs(tmp_path / "e", first, anonymized, everyone, tinies[:2], 0, oracle, 12)
    f = outputs(tmp_path / "f", second, anonymized, everyone, tinies[:2], 0, oracle, 12)
    everyone[2] = [4, 5, 6, 7]
    g = outputs(tmp_path / "g", first, anonymized, everyone, tinies[:2], 0, oracle, 12)
    assert e == f, "what an oracle answers tells nothing but whether it is its decision"
    assert e != a, "and that is heeded"
    assert e != g
    changed = [read_image(tmp_path / "a" / f"{i}.png") for i in range(4)]
    assert all((x != y).any() for x, y in zip(changed, anonymized, strict=True))


def test_labels_alone_of_an_oracle_from_outside_tell_nothing_more(tmp_path, tinies):
    """Equal decisions on different originals, and equal answers: equal bytes here, too."""
    anonymized = [picture(i, 50, 70) for i in range(4)]
    sources, wanted = np.array([[1, 2, 3, 4], [6, 5, 4, 3]]), [0, 1, 2, 3]

    def found(name, first, answers):
        originals = [picture(first + i, 50, 70) for i in range(4)]
        oracle = Told(tinies[2], originals, answers)
        folder = tmp_path / name
        return outputs(folder, originals, anonymized, sources, tinies[:2], 0, [oracle], 3)

    one = found("one", 20, wanted)
    assert one == found("two", 40, wanted)
    assert one != found("three", 20, [4, 5, 6, 7]), "what it decides on the originals is heeded"


def many(pictures, count):
    """More images than slots, and a class for each of them and each source."""
    images = [*pictures, *(picture(60 + i, 70, 50) for i in range(5))]
    return images, np.stack([(np.arange(len(images)) * 3 + i) % 7 for i in range(count)])


FEW = 9
"""Cells that averages may round otherwise in another slot, or with another number of them."""


@pytest.mark.parametrize(
    ("name", "chosen", "rounded"), [("fast", [0, 1, 2], 0), ("transfer", [0, 2], FEW)]
)
def test_results_depend_neither_on_order_nor_on_company(tinies, pictures, name, chosen, rounded):
    sources = Ensemble([tinies[i] for i in chosen])
    images, decisions = many(pictures, len(chosen))
    settings = preset(name, steps=12, max_retries=1)
    whole = jaxanon.adapt(images, decisions, sources, settings)
    order = np.random.default_rng(1).permutation(len(images))
    shuffled = jaxanon.adapt([images[i] for i in order], decisions[:, order], sources, settings)
    for place, i in enumerate(order):
        np.testing.assert_array_equal(shuffled.images[place], whole.images[i])
        assert shuffled.steps[place] == whole.steps[i]
    few = jaxanon.adapt(images[3:5], decisions[:, 3:5], sources, settings, slots=3)
    for image, other in zip(few.images, whole.images[3:5], strict=True):
        assert equal_but_for(rounded, image, other), "with another number of slots"


def equal_but_for(cells, image, other):
    """Whether at most so many cells differ, by one level."""
    change = np.abs(image.astype(int) - other)
    return change.max() <= 1 and np.count_nonzero(change) <= cells


def test_other_company_changes_nothing_and_another_slot_rounds_at_most(tinies, pictures):
    """CPUs end the products of the last slot otherwise, for a source whose sizes fit no vector.

    The second one is such a source. Signs hide what that rounds; averages show it in single cells.
    """
    sources = Ensemble(tinies)
    images, decisions = many(pictures, 3)
    settings = preset("transfer", steps=12, max_retries=0)
    whole = jaxanon.adapt(images, decisions, sources, settings, slots=4)
    others = [image if i % 2 else image[::-1] for i, image in enumerate(images)]
    company = jaxanon.adapt(others, decisions, sources, settings, slots=4)
    for i in range(len(images)):
        assert np.array_equal(company.images[i], whole.images[i]) == bool(i % 2)
    turned = jaxanon.adapt(images[::-1], decisions[:, ::-1], sources, settings, slots=4)
    for image, other in zip(turned.images[::-1], whole.images, strict=True):
        assert equal_but_for(FEW, image, other)


def test_originals_are_forgotten_before_the_adaptation(tmp_path, tinies):
    """Nothing of the run holds an original once its decisions are known."""
    import gc
    import weakref

    class Pixels(np.ndarray):
        """An array that can be watched."""

    watched = []

    def load(i):
        original = picture(i, 50, 70).view(Pixels)
        watched.append(weakref.ref(original))
        return LoadedImage(original, picture(30 + i, 50, 70), None)

    items = [item(f"{i}.png", tmp_path / f"{i}.png", partial(load, i)) for i in range(3)]
    settings = preset("fast", steps=3, max_retries=0)
    run = quiet_run(tmp_path, items, tinies[:1], [], settings)
    with workers.pool() as threads:
        batch = next(run.stages.intake.batches(items, threads))
    assert len(batch.jobs) == 3
    gc.collect()
    assert len(watched) == 3
    assert all(reference() is None for reference in watched)
