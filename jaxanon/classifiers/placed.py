"""A classifier's parameters as devices hold them: whole, in the order that programs read them."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental.layout import Format, Layout
from jax.sharding import Mesh

from jaxanon.runtime import devices

KERNELS = (2, 4)
"""Axes of the kernels of products and of dense convolutions, output channels last."""


def placed(params: Any, mesh: Mesh, precision: str | None = None) -> Any:
    """Parameters as every device of a mesh holds them; of abstract ones, their formats alone.

    With abstract arrays a program can be compiled for devices that are not there.

    Args:
        params: a tree of arrays, on any device.
        mesh: the devices.
        precision: floating-point type to bring them to; by default they keep their own.
    """
    leaves, tree = jax.tree.flatten(params)
    layouts = [_layout(leaf.ndim, mesh) for leaf in leaves]
    kinds = [_kind(leaf.dtype, precision) for leaf in leaves]
    formats = [Format(layout, devices.shared(mesh)) for layout in layouts]
    if any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
        shapes = [
            jax.ShapeDtypeStruct(leaf.shape, kind, sharding=form)
            for leaf, kind, form in zip(leaves, kinds, formats, strict=True)
        ]
        return jax.tree.unflatten(tree, shapes)
    there = jax.device_put(leaves, devices.shared(mesh))
    if not all(map(_is_so, there, kinds, layouts)):
        # One program for all of them: compiled once and kept, where each shape would be anew.
        there = _caster(tuple(kinds), tuple(formats))(there)
    return jax.tree.unflatten(tree, there)


def _layout(axes: int, mesh: Mesh) -> Layout | None:
    """The order of an array in the memory of each device; None is row by row.

    On GPUs the output channels of kernels lie outermost, as cuDNN reads filters where the images'
    channels come last; a program that is given them otherwise transposes them at each call.
    """
    if devices.platform(mesh) == "gpu" and axes in KERNELS:
        return Layout((axes - 1, *range(axes - 1)))
    return None


def _kind(own: Any, precision: str | None) -> Any:
    """The type of an array afterwards; whole numbers, such as tables of places, keep theirs."""
    return jnp.dtype(precision) if precision and jnp.issubdtype(own, jnp.floating) else own


@lru_cache(64)
def _caster(kinds: tuple[Any, ...], formats: tuple[Format, ...]) -> Any:
    """The program that brings arrays to types and orders; the same object for the same ones."""
    return jax.jit(partial(_cast, kinds), out_shardings=list(formats))


def _cast(kinds: tuple[Any, ...], leaves: list[Any]) -> list[Any]:
    return [leaf.astype(kind) for leaf, kind in zip(leaves, kinds, strict=True)]


def _is_so(leaf: Any, kind: Any, layout: Layout | None) -> bool:
    """Whether an array has its type and order already."""
    order = leaf.format.layout.major_to_minor
    return leaf.dtype == kind and (layout is None or order == layout.major_to_minor)
