"""Every family against logits that timm gave for weights and pixels drawn alike everywhere.

Of other architectures of a family, keys and shapes are compared here, logits beside timm (parity).
"""

import json
from pathlib import Path

import numpy as np
import pytest
from make_golden import FORMS

from jaxanon.classifiers import registry
from jaxanon.classifiers.classifier import Classifier, forward
from jaxanon.classifiers.families import FAMILIES
from jaxanon.classifiers.random_weights import digest, draw, pixels
from jaxanon.classifiers.weights.port import expected, port
from jaxanon.runtime.devices import mesh

GOLDEN = {
    path.stem: json.loads(path.read_text()) for path in Path(__file__).parent.glob("golden/*.json")
}
CASES = [(family, name) for family, data in GOLDEN.items() for name in data["architectures"]]


def test_every_architecture_is_in_the_files():
    assert {name for _, name in CASES} == set(registry.ENTRIES)
    assert set(GOLDEN) == set(FAMILIES)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_keys_and_shapes(family, name):
    data = GOLDEN[family]
    row = data["architectures"][name]
    shapes = expected(registry.ENTRIES[name].build(data["classes"], row["size"]))
    assert digest(shapes) == row["keys"], "they are not timm's"


@pytest.mark.parametrize(("family", "name"), [case for case in CASES if case[1] in FORMS])
def test_logits(family, name):
    data = GOLDEN[family]
    row, entry = data["architectures"][name], registry.ENTRIES[name]
    model = entry.build(data["classes"], row["size"])
    port(model, draw(expected(model), data["seed"]), name)
    images = pixels((2, row["size"], row["size"], 3), data["seed"])
    ours = Classifier.from_model(name, entry.config, model)
    mine = np.asarray(forward(ours.network, mesh(1), ours.params, images))
    theirs = np.array(row["logits"])
    assert np.ptp(theirs) > 0.1 * np.abs(theirs).max(), "the logits say something"
    assert np.abs(mine - theirs).max() <= 1e-5 * np.abs(theirs).max()
