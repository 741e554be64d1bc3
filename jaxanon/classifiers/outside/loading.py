"""Classifiers from outside, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Protocol

from jaxanon.classifiers.outside.classifier import Outside
from jaxanon.classifiers.outside.naming import WAYS, Named, parse
from jaxanon.errors import UsageError, unknown


class Maker(Protocol):
    """Makes the classifier that is named."""

    def __call__(self, named: Named) -> Outside: ...


def load(text: str) -> Outside:
    """The classifier from outside of a name.

    Raises:
        UsageError: for an unknown option, a missing package, or what cannot answer.
    """
    named = parse(text)
    kind = named.name.partition(":")[0]
    known, package, extra = KINDS[kind]
    for option in named.options:
        if option not in known:
            raise UsageError(f"{named.name}: {unknown('option', option, known)}")
    if package and find_spec(package) is None:
        text = f"needs the extra {extra}: pip install 'jaxanon[{extra}]'"
        raise UsageError(f"{named.name} {text}")
    return _maker(kind)(named)


def _maker(kind: str) -> Maker:
    if kind == "onnx":
        from jaxanon.classifiers.outside.onnx_file import OnnxFile

        return OnnxFile
    if kind == "python":
        from jaxanon.classifiers.outside.python_function import PythonFunction

        return PythonFunction
    from jaxanon.classifiers.outside.service import Service

    return Service


_SERVICE = ("labels", "classes", "label", "field", "originals", *WAYS)
KINDS: Mapping[str, tuple[tuple[str, ...], str | None, str]] = {
    "onnx": (("labels", "preprocess"), "onnxruntime", "onnx"),
    "python": (("labels", "classes", "preprocess"), None, ""),
    "http": (_SERVICE, "jmespath", "service"),
    "https": (_SERVICE, "jmespath", "service"),
}
"""Kind -> its options, the package that it needs, and the extra that brings it."""
