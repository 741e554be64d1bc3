"""Where in a training checkpoint the state dict of the network is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jaxanon.classifiers.weights.pickles import PassedOver, Tensor
from jaxanon.errors import printable

AVERAGES = ("state_dict_ema", "model_ema")
"""Keys of the moving average of the weights, by which a network is to be judged."""
WRAPPERS = (*AVERAGES, "state_dict", "model_state_dict", "model", "net", "module")
"""Keys under which training programs put a state dict, the preferred first; timm's order."""
AVERAGED_COUNT = "n_averaged"
"""A counter of PyTorch's `AveragedModel`; no parameter."""
NESTED = 2
"""How deep a state dict may lie, in wrappers."""


def unwrapped(contents: Any) -> tuple[dict[str, Tensor], str | None]:
    """The state dict in the contents of a file: at its top, or below one or two wrappers.

    The moving average of the weights goes before the weights, as in timm.

    Args:
        contents: what was unpickled.

    Returns:
        The state dict, and what is to be said of it: where the file offers a choice, or it is a
        moving average.

    Raises:
        ValueError: when there is no state dict, or it holds anything but tensors.
    """
    if isinstance(contents, PassedOver):
        kind = type(contents)
        raise ValueError(f"it holds no state dict, but a {kind.__module__}.{kind.__qualname__}")
    if not isinstance(contents, dict) or not contents:
        raise ValueError("it holds no state dict")
    found = dict(_state_dicts(contents, NESTED))
    taken = next(iter(found), "")
    note = None
    if len(found) > 1 or taken.rpartition(".")[2] in AVERAGES:
        others = [where for where in found if where != taken]
        beside = f"; the file also has {', '.join(others)}" if others else ""
        note = f"the weights are those of {taken}{beside}"
    tensors = found.get(taken, contents)
    odd = [str(key) for key, value in tensors.items() if not isinstance(value, Tensor)]
    if odd:
        raise ValueError(
            f"not tensors: {printable(', '.join(odd[:5]))}; a state dict is looked for at the top "
            f"and under {', '.join(WRAPPERS)}"
        )
    count = AVERAGED_COUNT if taken.rpartition(".")[2] in AVERAGES else None
    return {str(key): tensor for key, tensor in tensors.items() if key != count}, note


def _state_dicts(contents: Mapping[Any, Any], depth: int) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Where state dicts are below the wrappers of a dict: keys joined by dots, and each of them."""
    for wrapper in WRAPPERS:
        inner = contents.get(wrapper)
        if not isinstance(inner, dict):
            continue
        deeper = list(_state_dicts(inner, depth - 1)) if depth > 1 else []
        if deeper:
            yield from ((f"{wrapper}.{where}", state) for where, state in deeper)
        elif any(isinstance(value, Tensor) for value in inner.values()):
            yield wrapper, inner
