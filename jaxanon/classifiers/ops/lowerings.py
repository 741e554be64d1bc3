"""Which form an operation takes, by backend and shape.

On CPUs from measurements: `python scripts/benchmarks/compare_lowerings.py` times every form at the
shapes of the classifiers and writes `docs/benchmarks/lowerings-BACKEND.json`; a test holds this
table to those figures. On GPUs from the bytes that compiled programs move, by
`scripts/benchmarks/compile_for.py` (`docs/performance.md`). TPUs take the library's forms.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxanon.runtime.devices import target

LIBRARY = "library"
"""Name of the form that XLA itself offers."""
Range = tuple[int, int]
"""Least and greatest value, both included."""
ANY: Range = (0, 1 << 30)


class Shape(NamedTuple):
    """What the choice of a form may depend on.

    Attributes:
        side: side of the kernel, in pixels.
        stride: stride of the kernel, in pixels.
        channels: number of input or output channels, whichever is smaller.
        size: the longer side of the image, in pixels.
    """

    side: int
    stride: int
    channels: int
    size: int


class Rule(NamedTuple):
    """The form that an operation takes in a range of shapes.

    Attributes:
        form: name of the form.
        side: range of the kernel's side, in pixels.
        stride: range of the stride, in pixels.
        channels: range of the channels, see `Shape`.
        size: range of the image's longer side, in pixels.
    """

    form: str
    side: Range = ANY
    stride: Range = ANY
    channels: Range = ANY
    size: Range = ANY

    def fits(self, shape: Shape) -> bool:
        """Whether a shape lies in the rule's ranges."""
        ranges = (self.side, self.stride, self.channels, self.size)
        return all(low <= v <= high for v, (low, high) in zip(shape, ranges, strict=True))


TABLE: dict[str, dict[str, tuple[Rule, ...]]] = {
    "cpu": {
        "conv": (
            Rule("winograd", side=(3, 3), stride=(1, 1), channels=(128, 4096), size=(48, 64)),
            Rule("winograd", side=(3, 3), stride=(1, 1), channels=(256, 4096), size=(20, 47)),
            Rule("winograd", side=(3, 3), stride=(1, 1), channels=(384, 4096), size=(10, 19)),
            Rule("winograd", side=(3, 3), stride=(1, 1), channels=(384, 4096), size=(3, 6)),
            Rule("patches", side=(3, 3), stride=(1, 1), channels=(256, 4096), size=(7, 7)),
            Rule("patches", side=(3, 3), stride=(1, 1), channels=(64, 4096), size=(1, 2)),
            Rule("patches", side=(3, 3), stride=(2, 2), channels=(64, 4096), size=(1, 8)),
            Rule("patches", side=(3, 3), stride=(2, 2), channels=(256, 4096), size=(9, 14)),
        ),
        "depthwise": (Rule("shifted"),),
        "max_pool": (Rule("shifted"),),
        "stem": (Rule("patches", side=(1, 3), stride=(2, 9)),),
        "stem_gradient": (
            Rule("columns", stride=(1, 1)),
            Rule("columns", side=(1, 3)),
            Rule("blocks", side=(5, 99), stride=(2, 9)),
        ),
    },
    "gpu": {
        "depthwise": (Rule("shifted"),),
        "max_pool": (Rule("shifted"),),
    },
}
"""Backend -> operation -> rules, of which the first that fits a shape holds.

Winograd's form is left to the shapes of VGG. Alone it is faster at those of ResNets too; in whole
ResNets it changes nothing, and they compile twice as long.
"""


def form(operation: str, shape: Shape, backend: str | None = None) -> str:
    """The form that an operation takes at a shape; `library` where no rule fits.

    Args:
        operation: name of the operation.
        shape: what the choice may depend on.
        backend: kind of device; by default that which the program being traced is for.
    """
    rules = TABLE.get(backend or target(), {}).get(operation, ())
    return next((rule.form for rule in rules if rule.fits(shape)), LIBRARY)
