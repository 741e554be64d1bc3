"""A Ray cluster of several nodes on this machine, for runs whose nodes are killed.

    python scripts/experiments/local_nodes.py [NODES]

Prints one line of JSON, the address and the process of each node's raylet, and ends with its
standard input. Ray would give a node the address of a network card, which another process may not
reach; all stay on 127.0.0.1.
"""

from __future__ import annotations

import json
import os
import sys

LOOPBACK = (
    "import ray, ray.util, ray._private.services as services; "
    "services.resolve_ip_for_localhost = lambda host: host; "
    "services.get_node_ip_address = ray.util.get_node_ip_address = lambda address=None: '127.0.0.1'"
)
"""What a driver does before it joins such a cluster."""


def main() -> None:
    """Start the nodes, say where they are, and wait."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    exec(LOOPBACK)
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    alike = {"node_ip_address": "127.0.0.1", "object_store_memory": 100_000_000}
    head = {"num_cpus": 0, "include_dashboard": False, **alike}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    nodes = [cluster.add_node(num_cpus=1, **alike) for _ in range(int((sys.argv[1:] or ["2"])[0]))]
    kind = ray_constants.PROCESS_TYPE_RAYLET
    raylets = [node.all_processes[kind][0].process.pid for node in nodes]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
