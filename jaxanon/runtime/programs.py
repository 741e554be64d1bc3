"""Functions compiled for the devices of a mesh, with the options that suit their kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any

import jax
from jax.sharding import Mesh

from jaxanon.runtime.devices import platform

OPTIONS: dict[str, dict[str, Any]] = {
    "cpu": {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
}
"""Kind of device -> options of XLA's compiler, from jax 0.11 on.

On a CPU products are left to YNNPACK, and sums are not: beside its sums its products round
otherwise with another number of images at once, so that a result would depend on its company.
"""
SINCE = (0, 11)
"""The first version of jax whose programs take `OPTIONS`."""


class Jitted:
    """A function one of whose static arguments is a mesh, compiled for the mesh's devices.

    Called like the function; `lower` is that of `jax.jit`.
    """

    def __init__(self, function: Callable[..., Any], mesh_at: int, **jit: Any) -> None:
        """See `program`."""
        self._function = function
        self._mesh_at = mesh_at
        self._jit = jit
        self._jitted = cache(self._make)
        update_wrapper(self, function)

    def __call__(self, *args: Any) -> Any:
        """The function's result, computed on the mesh's devices."""
        return self._for(args)(*args)

    def lower(self, *args: Any) -> jax.stages.Lowered:
        """The program for such arguments, not compiled yet."""
        lowered: jax.stages.Lowered = self._for(args).lower(*args)
        return lowered

    def _for(self, args: tuple[Any, ...]) -> Any:
        mesh: Mesh = args[self._mesh_at]
        return self._jitted(platform(mesh))

    def _make(self, kind: str) -> Any:
        return jax.jit(self._function, compiler_options=options(kind), **self._jit)


def program(mesh_at: int, **jit: Any) -> Callable[[Callable[..., Any]], Jitted]:
    """Decorate a function that computes on a mesh's devices.

    Args:
        mesh_at: which of the function's arguments is the mesh, from 0; a static one.
        **jit: arguments of `jax.jit`.
    """
    return lambda function: Jitted(function, mesh_at, **jit)


@cache
def options(kind: str) -> dict[str, Any]:
    """Options of the compiler for a kind of device; none where this version of it lacks them."""
    chosen = OPTIONS.get(kind, {})
    if not chosen or jax.__version_info__ < SINCE:
        return {}
    empty = jax.ShapeDtypeStruct((), "float32")
    try:
        jax.jit(lambda x: x, compiler_options=chosen).lower(empty).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return chosen
