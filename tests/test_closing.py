"""What a run says in the end of images on which somebody decides otherwise."""

import pytest

from jaxanon.display.tables import closing

SHARES = {"anonymized": 0.0, "adapted": 0.0, "repair": None}


def said(decisions, keep=None, queries=None):
    """The line about the one image of a run; of its classifiers, the last is a target."""
    names = list(decisions)
    roles = dict(zip(names, ["source", "oracle", "oracle"], strict=False)) | {names[-1]: "target"}
    image = {
        "output": "a.png", "status": "partly", "error": None, "decisions": decisions,
        "regions": None, "private": None, "score": None, "queries": queries,
    }  # fmt: skip
    report = {
        "settings": {"goal": "keep"} | ({"keep": keep} if keep else {}),
        "classifiers": [{"name": name, "role": role} for name, role in roles.items()],
        "images": [image],
        "summary": {
            "images": 1, "seconds": 1.0, "images_per_second": 1.0,
            "concordance": dict.fromkeys(names, SHARES),
        },
    }  # fmt: skip
    (line,) = [each for each in closing(report).splitlines() if each.startswith("partly")]
    return line.removeprefix("partly: a.png: ")


def row(reference, adapted, several=None):
    """A classifier's first class on the original and on the saved file; several of each."""
    made = {"reference": reference, "adapted": adapted}
    kept = several and {"classes": dict(zip(made, several, strict=True))}
    return made | (kept or {})


KEPT, LOST = row(1, 1), row(1, 2)


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        ("a", "a decides otherwise than on the original"),
        ("ab", "a and b decide otherwise than on the original"),
        ("abc", "a, b and c decide otherwise than on the original"),
    ],
)
def test_who_decides_otherwise(lost, text):
    rows = {name: LOST if name in lost else KEPT for name in "abc"} | {"target": LOST}
    assert said(rows) == text
    assert said(rows, queries=1) == f"{text} after 1 question"


def test_where_several_classes_are_kept_it_is_these_that_count():
    first_alone_differs = row(1, 2, ([1, 2], [1, 2]))
    second_alone_differs = row(1, 1, ([1, 2], [1, 3]))
    rows = {"a": first_alone_differs, "b": second_alone_differs, "target": second_alone_differs}
    assert said(rows, keep="top2") == "b decides otherwise than on the original"
