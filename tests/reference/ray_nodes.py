"""A Ray cluster of several nodes on one machine, which also starts on a busy one.

A node of Ray waits 15 s for its agents, which cannot be changed, and then ends (ray-project/ray#65983). The agents of
metrics and dashboard do nothing here, so their ports are given as unused in advance, and the third one's is chosen.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

UNUSED_PORTS = ("metrics_agent_port", "metrics_export_port", "dashboard_agent_listen_port")
SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


def start_cluster(num_nodes: int, cpus: int) -> Any:
    """A `ray.cluster_utils.Cluster`; its first node cannot be removed."""
    os.environ |= {"RAY_agent_register_timeout_ms": "300000", "RAY_worker_niceness": "0"}  # by default 15
    import ray._private.node as internals
    from ray.cluster_utils import Cluster

    start = internals.Node.start_raylet

    def start_raylet(node: Any, *args: Any, **more: Any) -> None:
        for name in UNUSED_PORTS:
            (Path(node._session_dir) / f"{name}_{node._node_id}").write_text("-1")
        start(node, *args, **more)

    if start.__module__ != __name__:  # not replaced by an earlier call
        internals.Node.start_raylet = start_raylet
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, **SMALL, **own_port()})
    for _ in range(num_nodes - 1):
        add_node(cluster, cpus)
    return cluster


def add_node(cluster: Any, cpus: int) -> Any:
    return cluster.add_node(num_cpus=cpus, wait=True, **SMALL, **own_port())


def own_port() -> dict[str, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"runtime_env_agent_port": probe.getsockname()[1]}
