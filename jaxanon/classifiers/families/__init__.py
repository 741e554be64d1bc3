"""The families of architectures: each module here declares one, as `FAMILY`."""

from importlib import import_module
from pkgutil import iter_modules

from jaxanon.classifiers.family import Family

FAMILIES: dict[str, Family] = {
    module.name: import_module(f"{__name__}.{module.name}").FAMILY
    for module in iter_modules(__path__)
}
"""Name of a module -> the family that it declares."""
