"""What JAX finds here, as JSON: `python -m jaxanon.runtime.probe`.

Run in a process of its own: a broken driver may end it, or never answer.
"""

from __future__ import annotations

import json
import sys

from jaxanon.errors import UsageError


def main() -> int:
    """Compute something on the first device, and print what it is; 1 where that cannot be."""
    try:
        import jax

        from jaxanon.runtime.devices import free_memory, mesh

        devices = mesh()
        total = int(jax.jit(lambda x: (x @ x).sum())(jax.numpy.ones((8, 8))))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 1
    found = {
        "platform": devices.devices.flat[0].platform,
        "kind": devices.devices.flat[0].device_kind,
        "count": devices.size,
        "free": free_memory(devices),
        "right": total == 8**3,
    }
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
