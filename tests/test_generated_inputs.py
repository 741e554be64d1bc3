"""Whatever comes in, what is private is hidden or the file is refused."""

import warnings

import generate_inputs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import jaxanon
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


@settings(max_examples=150, deadline=None)
@given(name=ANYTHING, value=ANYTHING)
def test_settings_are_settings_or_refused(name, value):
    try:
        jaxanon.preset(name, eps=value, transforms=value, loss=value)
    except JaxanonError:
        return
