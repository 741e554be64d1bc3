"""Classes by name and by number."""

from dataclasses import replace

import pytest
from samples import tiny

from jaxanon.classifiers import registry
from jaxanon.classifiers.labels import class_number, label
from jaxanon.errors import UsageError

IMAGENET = registry.find("resnet50").config
NAMELESS = tiny("a", 1).config
OWN = replace(NAMELESS, num_classes=3, labels=("not a cat", "House_Cat", "7"))


@pytest.mark.parametrize(
    ("config", "name", "number"),
    [
        (IMAGENET, "llama", 355),
        (IMAGENET, "Great White_Shark ", 2),
        (IMAGENET, 999, 999),
        (IMAGENET, "cardigan", 474),
        (NAMELESS, 9, 9),
        (OWN, "house cat", 1),
        (OWN, "7", 2),
    ],
)
def test_a_class_has_its_number(config, name, number):
    assert class_number(config, name) == number


def test_names_of_imagenet_lead_back_to_their_classes():
    names = [label(IMAGENET, i) for i in range(1000)]
    unique = [i for i, name in enumerate(names) if names.count(name) == 1]
    assert [class_number(IMAGENET, names[i]) for i in unique] == unique
    assert len(unique) == 996


@pytest.mark.parametrize(
    ("config", "name", "text"),
    [
        (IMAGENET, "lama", "unknown class 'lama'; near matches: .*llama"),
        (IMAGENET, "crane", "'crane' is the name of several classes; give one of 134, 517"),
        (IMAGENET, "1.5", "unknown class '1.5'"),
        (IMAGENET, 1000, "there is no class 1000; its classes are 0 to 999"),
        (IMAGENET, -1, "there is no class -1; its classes are 0 to 999"),
        (IMAGENET, "CARDIGAN", "'CARDIGAN' is the name of several classes; give one of 264, 474"),
        (NAMELESS, "llama", "its classes have no names, such as 'llama'; give one of 0 to 9"),
        (OWN, 7, "there is no class 7; its classes are 0 to 2"),
        (OWN, "dog", "choose from 7, House_Cat, not a cat"),
    ],
)
def test_what_is_no_class_is_said(config, name, text):
    with pytest.raises(UsageError, match=text):
        class_number(config, name)
