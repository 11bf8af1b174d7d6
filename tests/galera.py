"""A private Galera cluster for the tests: three of the system's `mariadbd`, each over a folder of its own, on free loopback ports.

It needs Debian's `mariadb-server-core` and `galera-4`. Every node takes writes, and what one commits the others have a moment
later; of two that change the same row at once, the first to be ordered wins and the other gets error 1213.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Self

import pymysql

from mariadb import START_SECONDS, MariaDB, MissingError, _user
from simulator.loopback import free_port

LIBRARIES = (Path("/usr/lib/galera/libgalera_smm.so"), Path("/usr/lib64/galera-4/libgalera_smm.so"))
NODES = 3
_QUICK = {
    "evs.keepalive_period": "PT0.1S",
    "evs.inactive_check_period": "PT0.1S",
    "evs.join_retrans_period": "PT0.1S",
    "evs.suspect_timeout": "PT0.8S",
    "evs.inactive_timeout": "PT2S",
    "evs.install_timeout": "PT2S",
    "gmcast.peer_timeout": "PT1S",
    "gmcast.time_wait": "PT0.5S",
    "gcache.size": "32M",
}
"""A node that does not answer is put out of the cluster after 0.8 s, not after 5 s; until then nobody can commit (Galera, "Galera
Parameters")."""
_SQL = (
    "--binlog-format=ROW",
    "--innodb-autoinc-lock-mode=2",
    "--wsrep-slave-threads=2",
    "--wsrep-retry-autocommit=0",  # a node would send a statement that came too late again by itself, once: here the relay has to
)


class Node(MariaDB):
    """One node of the cluster. `start` lets it join, also after it was killed; then it has what the others wrote meanwhile."""

    def __init__(self, cluster: "Galera") -> None:
        super().__init__()
        self._cluster, self._library = cluster, _library()
        self.group_port, self._transfer_port = 0, 0
        scripts = str(Path(__file__).parent)  # wsrep_sst_copy
        self._environment = dict(os.environ) | {
            "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])
        }

    def prepare(self, model: "Node | None") -> None:
        """Make the system tables, or take a copy of another's which has not started yet, and choose the ports."""
        if model is None:
            self._bootstrap()
        else:
            shutil.copytree(model._data, self._data)
            if user := _user():
                for path in (self._home, self._data, *self._data.rglob("*")):
                    shutil.chown(path, user)
        self.port, self.group_port, self._transfer_port = free_port(), free_port(), free_port()

    def found(self) -> None:
        """Start as the first node of a new cluster."""
        self.launch("--wsrep-new-cluster")
        self.wait_until(lambda: self.is_synced(1))

    def start(self) -> None:
        """Join the others, and return when it serves as one of them."""
        self.launch(*self._position())
        self.wait_until(lambda: self.is_synced(2))

    def isolate(self, isolated: bool = True) -> None:
        """Cut it off from the others, as a broken network does, or heal that: it answers, but refuses (error 1047)."""
        self.execute(f"SET GLOBAL wsrep_provider_options = 'gmcast.isolate={int(isolated)}'")

    def is_synced(self, size: int = NODES) -> bool:
        """Whether it serves, in a cluster of at least so many nodes."""
        try:
            found = {str(name): str(value) for name, value in self.execute("SHOW STATUS LIKE 'wsrep%'")}
        except pymysql.err.MySQLError:
            return False
        return (
            found["wsrep_local_state_comment"] == "Synced"
            and found["wsrep_ready"] == "ON"
            and int(found["wsrep_cluster_size"]) >= size
        )

    def _position(self) -> list[str]:
        """What InnoDB knows to be the newest write it has: a node that was killed did not write that down itself."""
        if not (self._data / "grastate.dat").exists():
            return []
        done = subprocess.run(
            self._serving("--wsrep-recover"),
            capture_output=True,
            timeout=START_SECONDS,
            env=self._environment,
        )
        found = re.search(rb"Recovered position: ([0-9a-f-]+:-?\d+)", done.stdout + done.stderr)
        return [f"--wsrep-start-position={found[1].decode()}"] if found else []

    def _serving(self, *options: str) -> list[str]:
        provider = _QUICK | {
            "base_host": "127.0.0.1",
            "base_port": str(self.group_port),
            "gmcast.listen_addr": f"tcp://127.0.0.1:{self.group_port}",
            "ist.recv_addr": f"127.0.0.1:{self._transfer_port}",
        }
        return super()._serving(
            "--wsrep-on=ON", f"--wsrep-provider={self._library}", f"--wsrep-cluster-address={self._cluster.address}",
            f"--wsrep-provider-options={';'.join(f'{name}={value}' for name, value in provider.items())}",
            "--wsrep-node-address=127.0.0.1", f"--wsrep-node-name=node{self._cluster.nodes.index(self) + 1}",
            "--wsrep-sst-method=copy", f"--wsrep-sync-wait={self._cluster.sync_wait}", *_SQL, *options,
        )  # fmt: skip


class Galera:
    """The cluster: `nodes`, which are up after `start`. `sync_wait`: which statements of a node wait until it has all that was
    committed before them (wsrep_sync_wait; 3: those that read, update or delete).
    """

    def __init__(self, sync_wait: int = 3) -> None:
        self.sync_wait = sync_wait
        self.nodes = [Node(self) for _ in range(NODES)]

    @property
    def address(self) -> str:
        """Where a node finds the others."""
        return "gcomm://" + ",".join(f"127.0.0.1:{node.group_port}" for node in self.nodes)

    def start(self) -> None:
        """Make the cluster; two or three seconds. RuntimeError with a node's log if it does not come up."""
        first, *others = self.nodes
        for node in self.nodes:
            node.prepare(None if node is first else first)
        first.found()
        for node in others:
            node.launch()
        self.wait_until_whole()

    def wait_until_whole(self) -> None:
        """Return when every node serves, and knows of all others."""
        for node in self.nodes:
            node.wait_until(node.is_synced)

    def new_database(self) -> list[str]:
        """A fresh database; returns its URL at each node."""
        url = self.nodes[0].new_database()
        name = url.rpartition("/")[2]
        for node in self.nodes[1:]:
            node.wait_until(lambda node=node: bool(node.execute(f"SHOW DATABASES LIKE '{name}'")))  # type: ignore[misc]
        return [f"mysql://root@127.0.0.1:{node.port}/{name}" for node in self.nodes]

    def kill(self) -> None:
        """End all nodes at once, and forget their data."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def _library() -> Path:
    for path in LIBRARIES:
        if path.is_file():
            return path
    raise MissingError("Galera's library is not installed (Debian: galera-4)")
