"""Whatever comes in, what is private is hidden or the file is refused."""

import warnings
from functools import cache

import generate_inputs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from samples import picture, tiny

import jaxanon
from jaxanon import Ensemble, Region, Settings
from jaxanon.errors import JaxanonError


@pytest.mark.parametrize("seed", [0])
def test_five_hundred_inputs_of_which_nothing_private_comes_through(seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the writers, and of damaged files
        counts, wrong = generate_inputs.run(500, seed)
    assert wrong == []
    assert counts["mask", "hidden"] > 30
    assert counts["annotation", "hidden"] > 50
    assert counts["picture", "hidden"] > 20


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 70000),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(0, 255), max_size=4),
    arrays.arrays(
        st.sampled_from(["uint8", "bool", "float32", "int64"]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=20),
    ),
)


@settings(max_examples=150, deadline=None)
@given(image=ANYTHING, method=ANYTHING, strength=ANYTHING, seed=ANYTHING, region=ANYTHING)
def test_anonymize_answers_or_says_what_is_wrong(image, method, strength, seed, region):
    try:
        jaxanon.anonymize(image, method, region=region, seed=seed, strength=strength)
    except JaxanonError:
        return


PICTURES = [picture(i, 40, 50) for i in range(2)]
FAST = Settings(steps=1)


@cache
def sources():
    return Ensemble([tiny("a", 1), tiny("b", 2, num_classes=7)])


@cache
def decisions():
    return sources().decide(PICTURES)


def adapt(images=PICTURES, classes=None, ensemble=None, options=FAST, **more):
    wanted = decisions() if classes is None else classes
    return jaxanon.adapt(
        images, wanted, sources() if ensemble is None else ensemble, options, **more
    )


PUBLIC = {
    "adapt, images": lambda given: adapt(given),
    "adapt, image": lambda given: adapt([given, PICTURES[0]]),
    "adapt, decisions": lambda given: adapt(classes=given),
    "adapt, ensemble": lambda given: adapt(ensemble=given),
    "adapt, settings": lambda given: adapt(options=given),
    "adapt, masks": lambda given: adapt(masks=given),
    "adapt, mask": lambda given: adapt(masks=[given, None]),
    "adapt, soft labels": lambda given: adapt(
        options=Settings(steps=1, loss="soft"), soft_labels=given
    ),
    "adapt, soft label": lambda given: adapt(soft_labels=[given, given]),
    "adapt, slots": lambda given: adapt(slots=given) if not isinstance(given, int) else None,
    "attack, images": lambda given: jaxanon.attack(given, sources(), FAST),
    "attack, target class": lambda given: jaxanon.attack(
        PICTURES, sources(), FAST, target_class=given
    ),
    "a mask": lambda given: jaxanon.anonymize(PICTURES[0], region=Region(mask=given)),
    "decide": lambda given: sources().decide(given),
    "decide, image": lambda given: sources().decide([given]),
    "look": lambda given: sources().look(given),
    "first": lambda given: sources().first(given),
    "ensemble": lambda given: Ensemble(given),
    "ensemble, classifier": lambda given: Ensemble([given]),
    "ensemble, batch": lambda given: Ensemble(sources().classifiers, batch=given),
    "ensemble, mesh": lambda given: Ensemble(sources().classifiers, mesh=given),
    "logits": lambda given: sources().classifiers[0].logits(given),
    "load": lambda given: jaxanon.load_classifier(given),
    "load, weights": lambda given: jaxanon.load_classifier("resnet18", given),
    "load all": lambda given: jaxanon.load_ensemble(given),
    "load all, name": lambda given: jaxanon.load_ensemble([given]),
    "list": lambda given: jaxanon.list_classifiers(given),
    "read": lambda given: jaxanon.read_image(given),
    "write": lambda given: jaxanon.write_image("a.gif", given),
    "write, path": lambda given: jaxanon.write_image(given, PICTURES[0]),
    **{
        f"settings, {name}": lambda given, name=name: Settings(**{name: given})
        for name in Settings.options()
    },
}
FOREIGN = st.one_of(
    ANYTHING,
    st.sampled_from([Image.new("L", (50, 40)), Image.new("RGBA", (50, 40)), object(), {}, b"x"]),
    st.builds(lambda: PICTURES[0].astype(object)),
    st.builds(lambda: np.array(["a", "b"])),
    st.builds(lambda: iter([1])),
    st.lists(st.one_of(st.none(), st.text(max_size=2), st.lists(st.integers(), max_size=2))),
)


@settings(max_examples=600, deadline=None)
@given(call=st.sampled_from(sorted(PUBLIC)), given=FOREIGN)
def test_public_functions_answer_or_say_what_is_wrong(call, given):
    try:
        PUBLIC[call](given)
    except JaxanonError:
        return


@settings(max_examples=150, deadline=None)
@given(name=ANYTHING, value=ANYTHING)
def test_settings_are_settings_or_refused(name, value):
    try:
        jaxanon.preset(name, eps=value, transforms=value, loss=value)
    except JaxanonError:
        return
