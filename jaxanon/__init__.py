"""jaxanon makes anonymized images useful again.

Adaptive anonymization: gradient steps on the anonymized image, through frozen pretrained
classifiers, until each classifier makes the decision that it made on the original.

Public names are imported when first used, so that `import jaxanon` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Classifier": "jaxanon.classifiers.classifier",
    "Ensemble": "jaxanon.classifiers.ensemble",
    "ImageError": "jaxanon.errors",
    "JaxanonError": "jaxanon.errors",
    "Result": "jaxanon.adaptation.api",
    "UsageError": "jaxanon.errors",
    "WeightsError": "jaxanon.errors",
    "adapt": "jaxanon.adaptation.api",
    "attack": "jaxanon.adaptation.api",
    "list_classifiers": "jaxanon.classifiers.registry",
    "load_classifier": "jaxanon.classifiers.weights.loading",
}

if TYPE_CHECKING:
    from jaxanon.adaptation.api import Result as Result
    from jaxanon.adaptation.api import adapt as adapt
    from jaxanon.adaptation.api import attack as attack
    from jaxanon.classifiers.classifier import Classifier as Classifier
    from jaxanon.classifiers.ensemble import Ensemble as Ensemble
    from jaxanon.classifiers.registry import list_classifiers as list_classifiers
    from jaxanon.classifiers.weights.loading import load_classifier as load_classifier
    from jaxanon.errors import ImageError as ImageError
    from jaxanon.errors import JaxanonError as JaxanonError
    from jaxanon.errors import UsageError as UsageError
    from jaxanon.errors import WeightsError as WeightsError

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
