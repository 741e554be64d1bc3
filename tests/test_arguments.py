"""Arguments of the public functions: accepted where their meaning is plain, else named."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from samples import picture

import jaxanon
from jaxanon import Ensemble, Region, Settings, UsageError
from jaxanon.adaptation.settings import DEFAULT
from jaxanon.cli import parser

PICTURES = [picture(i, 60, 80) for i in range(2)]
FAST = Settings(steps=3)
SMALL, ASKING = Settings(minimise=True), Settings(queries=9)


@pytest.fixture(scope="module")
def sources(tinies):
    return Ensemble(tinies[:2])


@pytest.fixture(scope="module")
def decisions(sources):
    return sources.decide(PICTURES)


def test_images_come_as_arrays_of_numpy_or_jax_as_pictures_and_one_after_the_other(
    sources, decisions
):
    mixed = [jnp.asarray(PICTURES[0]), Image.fromarray(PICTURES[1])]
    for given in (mixed, iter(PICTURES), np.stack(PICTURES)):
        np.testing.assert_array_equal(sources.decide(given), decisions)
    rows = [[np.int64(value) for value in row] for row in decisions]
    masks = jnp.ones((2, 60, 80), bool)
    wanted = jaxanon.adapt(PICTURES, decisions, sources, FAST)
    for given, classes in ((iter(PICTURES), rows), (mixed, decisions.astype(float))):
        result = jaxanon.adapt(given, classes, sources, FAST, masks=masks)
        assert result.status == wanted.status
    grey = Image.fromarray(PICTURES[0]).convert("L")
    assert jaxanon.anonymize(grey).shape == (60, 80, 3)


def test_a_region_may_say_that_it_is_empty():
    empty = Region(mask=NOWHERE, nothing=True)
    np.testing.assert_array_equal(hide(empty), PICTURES[0])


def test_what_is_not_said_is_the_same_everywhere(sources, decisions):
    assert parser().parse_args(["anonymize", "x", "-o", "y"]).preset == DEFAULT
    assert jaxanon.preset() == jaxanon.preset(DEFAULT)
    result = jaxanon.adapt(PICTURES[:1], decisions[:, :1], sources)
    wanted = jaxanon.adapt(PICTURES[:1], decisions[:, :1], sources, jaxanon.preset(DEFAULT))
    np.testing.assert_array_equal(result.images[0], wanted.images[0])
    assert result.steps == wanted.steps
    assert result.steps[0] > 20, "not the first step that will do"
    shown = result._repr_html_()
    assert shown.count("data:image/jpeg") == 1
    assert f"{result.status[0]}, {result.steps[0]} steps" in shown


def test_a_transfer_is_measured_from_python(sources, decisions):
    found = jaxanon.measure_transfer(PICTURES, PICTURES, sources, anonymized=PICTURES)
    assert [row.adapted.kept for row in found.rows] == [1, 1]
    assert found._repr_html_().count("100.0 %") == 4
    with pytest.raises(UsageError, match="2 original, 1 adapted: give as many of each"):
        jaxanon.measure_transfer(PICTURES, PICTURES[:1], sources)
    with pytest.raises(UsageError, match="0 original, 0 adapted"):
        jaxanon.measure_transfer([], [], sources)


def test_nothing_in_nothing_out(sources):
    assert sources.decide([]).shape == (2, 0)
    result = jaxanon.adapt([], [], sources)
    assert (result.images, result.status, result.decisions.shape) == ([], [], (2, 0))
    assert jaxanon.attack(iter(()), sources).status == []


NOWHERE = np.zeros((60, 80), bool)
SOME = np.arange(60 * 80).reshape(60, 80) < 2000


def hide(region):
    return jaxanon.anonymize(PICTURES[0], region=region)


REFUSED = {
    "a path": (lambda e, _: e.decide(["a.jpg"]), "image 0 is a path; give read_image"),
    "a name": (lambda e, _: e.decide("a.jpg"), "for one image give"),
    "a picture": (lambda e, _: jaxanon.attack(Image.new("L", (9, 9)), e), "give .image."),
    "nothing": (lambda e, _: e.decide(None), "give a list of images"),
    "alpha": (lambda e, _: e.decide([Image.new("RGBA", (20, 20))]), "in mode RGBA; give image.c"),
    "no pixels": (lambda e, _: e.decide([np.zeros((0, 4, 3), np.uint8)]), "has no pixels"),
    "fractions": (lambda e, d: jaxanon.adapt(PICTURES, d + 0.5, e), "such as .*5.*; give whole"),
    "texts": (lambda e, d: jaxanon.adapt(PICTURES, d.astype(str), e), "give whole numbers"),
    "ragged": (lambda e, _: jaxanon.adapt(PICTURES, [[1], [1, 2]], e), "give whole numbers"),
    "a class": (lambda e, _: jaxanon.attack(PICTURES, e, target_class="cat"), "such as .*cat"),
    "masks": (lambda e, d: jaxanon.adapt(PICTURES, d, e, masks=5), "masks is 5; give a list"),
    "slots": (lambda e, d: jaxanon.adapt(PICTURES, d, e, slots="2"), "slots is '2'; it must be"),
    "labels": (lambda e, d: jaxanon.adapt(PICTURES, d, e, soft_labels=[1, 2]), "have shape"),
    "no region": (lambda *_: hide(Region(mask=NOWHERE)), "mask is false everywhere: nothing would"),
    "core": (lambda *_: hide(Region(mask=~NOWHERE & SOME, core=~SOME)), "lies outside its mask"),
    "feather": (lambda *_: hide(Region(mask=SOME, feather=np.inf)), "feather is inf; it must be"),
    "null": (lambda *_: jaxanon.write_image("a\0.png", PICTURES[0]), "has a null character"),
    "class": (lambda e, d: jaxanon.adapt(PICTURES, d + 1e300, e), "give whole numbers"),
    "read": (lambda *_: jaxanon.read_image(None), "path is a NoneType; give the path of a file"),
    "write": (lambda *_: jaxanon.write_image(5, PICTURES[0]), "path is a int; give the path"),
    "load": (lambda *_: jaxanon.load_classifier(5), "5 is no name of a classifier"),
    "load all": (lambda *_: jaxanon.load_ensemble(5), "names is 5; it must be a list"),
    "pattern": (lambda *_: jaxanon.list_classifiers(5), "pattern is 5; give a text"),
    "names": (lambda *_: Ensemble(["resnet50"]), "'resnet50' is no classifier; give .load_class"),
    "one": (lambda *_: Ensemble(5), "5 is no classifier"),
    "files": (lambda e, d: jaxanon.adapt(PICTURES, d, e, SMALL), "minimise is True; .* --minimise"),
    "oracles": (lambda e, d: jaxanon.adapt(PICTURES, d, e, ASKING), "queries is 9; .* --oracles"),
    "asking": (lambda e, _: jaxanon.attack(PICTURES, e, ASKING), "queries is 9; it must be 0 here"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_whatever_else_is_named_with_the_way_out(sources, decisions, what):
    call, text = REFUSED[what]
    with pytest.raises(UsageError, match=text):
        call(sources, decisions)
