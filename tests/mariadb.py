"""A private MariaDB for the tests: the system's `mariadbd` over a folder of its own, on a free loopback port.

It needs Debian's `mariadb-server-core` only. `mariadb-install-db` would need one package more
(`my_print_defaults`), so the system tables are made here as that script makes them: its SQL files, fed to
`mariadbd --bootstrap`.
"""

import atexit
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pymysql

from simulator.loopback import free_port

_SYSTEM_TABLES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
)
_SMALL_AND_FAST = (
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-use-native-aio=0",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
    "--performance-schema=OFF",
    "--skip-log-bin",
)
START_SECONDS = 120.0


class MissingError(Exception):
    """This machine has no MariaDB server that the tests could start; the text says what was looked for."""


class MariaDB:
    """One server. Once it runs, `port` listens on 127.0.0.1; user root, no password."""

    def __init__(self) -> None:
        self._program, self._share = _installed()
        # Short, because a socket's path may have about 100 characters only.
        self._home = Path(tempfile.mkdtemp(prefix="mdb-", dir="/tmp" if Path("/tmp").is_dir() else None))
        self._data = self._home / "data"
        self._log = self._home / "error.log"
        self._names = itertools.count(1)
        self._server: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] | None = None
        self.port = 0

    def start(self) -> None:
        """Make the system tables (once) and start the server. RuntimeError with its log if it does not come up."""
        if not self._data.exists():
            self._bootstrap()
            self.port = free_port()  # only now: in the seconds before somebody else could take it
        self.launch()
        self.wait_until(self._answers)

    def launch(self, *options: str) -> None:
        """Start the process, with further options."""
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                self._serving(*options),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        atexit.register(self.kill)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return when it holds of the server that was launched. RuntimeError with its log if it ends before or takes too long."""
        assert self._server is not None
        ends = time.monotonic() + START_SECONDS
        while not holds():
            if self._server.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(
                    f"mariadbd did not start:\n{self._log.read_text(errors='replace')[-3000:]}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop the server; its data stays, and `start` brings it back on the same port."""
        if self._server is not None:
            self._server.terminate()
            try:
                self._server.wait(20)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    @property
    def pid(self) -> int:
        """Of the server, which runs."""
        assert self._server is not None
        return self._server.pid

    def die(self) -> None:
        """End the server without a word (SIGKILL); its data stays, and `start` brings it back on the same port."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None

    def kill(self) -> None:
        """End the server at once, and forget its data."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        shutil.rmtree(self._home, ignore_errors=True)

    def new_database(self) -> str:
        """A fresh database; returns its URL."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"mysql://root@127.0.0.1:{self.port}/{name}"

    def drop_database(self, url: str) -> None:
        """Drop the database of a URL that `new_database` gave."""
        self.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]}")

    def execute(self, sql: str, database: str | None = None) -> list[tuple[object, ...]]:
        """Run a statement as root; returns the rows."""
        with (
            pymysql.connect(
                host="127.0.0.1", port=self.port, user="root", database=database, autocommit=True
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            return list(cursor.fetchall())

    def _bootstrap(self) -> None:
        (self._data / "mysql").mkdir(parents=True)
        if user := _user():
            for folder in (self._home, self._data, self._data / "mysql"):
                shutil.chown(folder, user)
        sql = "USE mysql;\nSET @auth_root_socket=NULL;\n"
        sql += "\n".join((self._share / name).read_text() for name in _SYSTEM_TABLES)
        command = self._command("--bootstrap", "--skip-grant-tables", "--log-warnings=0",
                                "--enforce-storage-engine=", "--max-allowed-packet=8M")  # fmt: skip
        done = subprocess.run(command, input=sql.encode(), capture_output=True, timeout=START_SECONDS)
        if done.returncode:
            raise RuntimeError(
                f"mariadbd --bootstrap failed:\n{done.stderr.decode(errors='replace')[-3000:]}"
            )

    def _serving(self, *options: str) -> list[str]:
        return self._command("--skip-name-resolve", "--bind-address=127.0.0.1", f"--port={self.port}",
                             f"--socket={self._home}/sock", f"--pid-file={self._home}/pid",
                             "--max-connections=300", *options)  # fmt: skip

    def _command(self, *options: str) -> list[str]:
        user = [f"--user={name}"] if (name := _user()) else []
        return [str(self._program), "--no-defaults", *user, f"--datadir={self._data}",
                # Not /tmp: names of temporary tables have the process id, which a server of another container may have, too.
                f"--tmpdir={self._home}", f"--lc-messages-dir={self._share}", *_SMALL_AND_FAST, *options]  # fmt: skip

    def _answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except pymysql.err.OperationalError:
            return False


def _installed() -> tuple[Path, Path]:
    program = shutil.which(
        "mariadbd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    )
    if program is None:
        raise MissingError("mariadbd is not installed (Debian: mariadb-server-core)")
    share = Path(program).resolve().parent.parent / "share"
    for folder in (share / "mysql", share / "mariadb"):
        if all((folder / name).is_file() for name in _SYSTEM_TABLES):
            return Path(program), folder
    raise MissingError(f"MariaDB's {_SYSTEM_TABLES[0]} is neither in {share}/mysql nor in {share}/mariadb")


def _user() -> str | None:
    """Whom root lets the server run as (mariadbd refuses to be root by chance): `mysql` if there is one, or root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("mysql").pw_name
    except KeyError:
        return "root"
