"""jaxanon makes anonymized images useful again.

Adaptive anonymization: gradient steps on the anonymized image, through frozen pretrained
classifiers, until each classifier makes the decision that it made on the original.

    from jaxanon import adapt, anonymize, load_ensemble, read_image, write_image

    ensemble = load_ensemble(["tf_efficientnet_lite0", "tf_efficientnet_lite1"])
    photo = read_image("photo.jpg")
    hidden = anonymize(photo, "blur", strength=12)
    result = adapt([hidden], ensemble.decide([photo]), ensemble)
    write_image("adapted.png", result.images[0])

The names listed in `__all__` are all that is public; everything else may change with any version.
They are imported when first used, so that `import jaxanon` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jaxanon.adaptation.api import Result as Result
    from jaxanon.adaptation.api import adapt as adapt
    from jaxanon.adaptation.api import attack as attack
    from jaxanon.adaptation.settings import Settings as Settings
    from jaxanon.adaptation.settings import preset as preset
    from jaxanon.anonymizers import anonymize as anonymize
    from jaxanon.classifiers.classifier import Classifier as Classifier
    from jaxanon.classifiers.ensemble import Ensemble as Ensemble
    from jaxanon.classifiers.loading import load_classifier as load_classifier
    from jaxanon.classifiers.loading import load_ensemble as load_ensemble
    from jaxanon.classifiers.registry import list_classifiers as list_classifiers
    from jaxanon.errors import DeviceMemoryError as DeviceMemoryError
    from jaxanon.errors import ImageError as ImageError
    from jaxanon.errors import JaxanonError as JaxanonError
    from jaxanon.errors import UsageError as UsageError
    from jaxanon.errors import WeightsError as WeightsError
    from jaxanon.evaluation.api import measure_transfer as measure_transfer
    from jaxanon.evaluation.report import TransferReport as TransferReport
    from jaxanon.io.images import read_image as read_image
    from jaxanon.io.images import write_image as write_image
    from jaxanon.io.packaged import demo_photos as demo_photos
    from jaxanon.regions.region import Region as Region

_HOMES = {
    "jaxanon.adaptation.api": ("Result", "adapt", "attack"),
    "jaxanon.adaptation.settings": ("Settings", "preset"),
    "jaxanon.anonymizers": ("anonymize",),
    "jaxanon.classifiers.classifier": ("Classifier",),
    "jaxanon.classifiers.ensemble": ("Ensemble",),
    "jaxanon.classifiers.registry": ("list_classifiers",),
    "jaxanon.classifiers.loading": ("load_classifier", "load_ensemble"),
    "jaxanon.errors": (
        "DeviceMemoryError",
        "ImageError",
        "JaxanonError",
        "UsageError",
        "WeightsError",
    ),
    "jaxanon.evaluation.api": ("measure_transfer",),
    "jaxanon.evaluation.report": ("TransferReport",),
    "jaxanon.io.images": ("read_image", "write_image"),
    "jaxanon.io.packaged": ("demo_photos",),
    "jaxanon.regions.region": ("Region",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
