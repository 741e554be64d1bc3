"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable

from jaxanon.pipeline.engines.engine import Engine, EngineOptions
from jaxanon.pipeline.engines.local import LocalEngine
from jaxanon.pipeline.engines.ray_engine import RayEngine

ENGINES: dict[str, Callable[[EngineOptions], Engine]] = {"local": LocalEngine, "ray": RayEngine}
"""Name of an engine -> what makes one."""
