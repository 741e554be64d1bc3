"""How an image is hidden: each module here with an `Anonymizer` in it registers it by itself.

From Python, `anonymize(image, "pixelate", strength=12)` calls any of them.
"""

from __future__ import annotations

from importlib import import_module
from numbers import Integral, Real
from pkgutil import iter_modules

import numpy as np

from jaxanon.anonymizers.anonymizer import ANONYMIZERS as ANONYMIZERS
from jaxanon.anonymizers.anonymizer import Anonymizer as Anonymizer
from jaxanon.errors import UsageError, unknown
from jaxanon.regions.region import Region
from jaxanon.runtime.arrays import as_image, check_mask

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")


def make(name: str, seed: int = 0, **options: object) -> Anonymizer:
    """An anonymizer by its name.

    Args:
        name: a key of `ANONYMIZERS`: blur, pixelate, solid, isr, gan.
        seed: seed of all random choices, from 0.
        **options: fields of the anonymizer's `Options`; None stands for the default.

    Raises:
        UsageError: for an unknown name, an option that the anonymizer does not have, or a value
            that it cannot take.
    """
    if not isinstance(name, str) or name not in ANONYMIZERS:
        raise UsageError(unknown("method", str(name), ANONYMIZERS))
    if not isinstance(seed, Integral) or seed < 0:
        raise UsageError(f"seed is {seed!r}; it must be a whole number, 0 or more")
    kind = ANONYMIZERS[name]
    chosen = {option: value for option, value in options.items() if value is not None}
    for option, value in chosen.items():
        if option not in kind.Options.help_texts():
            raise UsageError(_stranger(kind, option, value))
    return kind(kind.Options(**chosen), seed)


def _stranger(kind: type[Anonymizer], option: str, value: object) -> str:
    """Text for an option that an anonymizer does not have."""
    owners = [other.name for other in ANONYMIZERS.values() if option in other.Options.help_texts()]
    if not owners:
        return unknown(f"option of {kind.name}", option, kind.Options.help_texts())
    flag = "--" + option.replace("_", "-")
    return (
        f"method {kind.name} takes no {option} (given: {value}); "
        f"{flag} goes with --method {' or '.join(owners)}, not with {kind.name}"
    )


def anonymize(
    image: np.ndarray,
    method: str = "blur",
    *,
    region: Region | None = None,
    seed: int = 0,
    **options: object,
) -> np.ndarray:
    """Hide what is private in one image.

    `isr` shows the image under the first of the seed's random motions, or under the first of
    `motions=FILE`, the `isr.json` of an earlier run; the command line chooses motions by the
    sources' decisions.
    `gan` needs a region and `gan=DIR`, the output of `jaxanon train-gan`.

    Args:
        image: `(H, W, 3)` uint8.
        method: blur, pixelate, solid, isr or gan.
        region: what is private; the whole image where None.
        seed: seed of all random choices, from 0.
        **options: of the method: `strength` for blur and pixelate, `size` and `motions` for isr,
            `gan` for gan.

    Returns:
        `(H, W, 3)` uint8, untouched outside the region and, for blur, its soft edge.

    Raises:
        UsageError: for an unknown method, an option that does not fit, another kind of array, or a
            region that is not one of this image.
        ImageError: when the image is so small that the method would leave it as it is.
    """
    image = as_image(image, "image")
    region = Region() if region is None else region
    if not isinstance(region, Region):
        raise UsageError(f"region is a {type(region).__name__}; it must be Region(mask=array)")
    _check_region(region, image)
    return make(method, seed, **options)(image, region).pixels


def _check_region(region: Region, image: np.ndarray) -> None:
    """Refuse a region that is not one of an image, or that hides nothing and does not say so.

    Raises:
        UsageError: naming what is wrong with it.
    """
    for name, mask in (("mask", region.mask), ("core", region.core)):
        if mask is not None:
            check_mask(mask, image, f"the region's {name}")
    if not isinstance(region.feather, Real) or not 0 <= region.feather < np.inf:
        raise UsageError(f"the region's feather is {region.feather!r}; it must be 0 or more")
    if region.mask is None:
        return
    if not (region.mask.any() or region.nothing):
        raise UsageError(
            "the region's mask is false everywhere: nothing would be hidden; where nothing is "
            "private, give Region(mask=mask, nothing=True)"
        )
    if region.core is not None and (region.core & ~region.mask).any():
        raise UsageError("the region's core lies outside its mask, where nothing is hidden")


def whole_image_methods() -> list[str]:
    """Names of the anonymizers that need nothing but an image: no region, no training."""
    return [name for name, kind in ANONYMIZERS.items() if not kind.needs_region]
