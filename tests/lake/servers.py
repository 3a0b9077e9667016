"""A PostgreSQL and an S3 endpoint on loopback, for the length of a block."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

USER = "mixpanel"
PASSWORD = "pass'word \\with{} all"

#: Where Debian and others put PostgreSQL's programs.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


class Postgres:
    """A running PostgreSQL.

    Attributes:
        folder: Where its files are.
        port: Its port on loopback.
    """

    def __init__(self, folder: Path, programs: Path, port: int) -> None:
        self.port = port
        self.folder = folder
        self._programs = programs

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c max_connections=200 -c fsync=off "
            f"-c unix_socket_directories={self.folder}"
        )
        log = self.folder / "log"
        self._run("pg_ctl", "-D", str(self._data), "-o", options, "-w", "-l", str(log), "start")

    def stop(self) -> None:
        """Stop it at once, as after a failure of its machine."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def initialize(self) -> None:
        """Make its files."""
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        arguments = ["-U", USER, "--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8"]
        self._run("initdb", "-D", str(self._data), *arguments)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement, and return what it gives as text."""
        command = ["psql", "-qtAX", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        done = subprocess.run(
            [self._programs / command[0], *command[1:], database, "-c", statement],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        return done.stdout.strip()

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs / program), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            # PostgreSQL refuses to run as root.
            user="postgres" if os.geteuid() == 0 else None,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Run a PostgreSQL of its own in the block; Debian's package is installed where none is."""
    found = programs() or _installed()
    with TemporaryDirectory(prefix="mixpanel_data-lake-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        server = Postgres(folder, found, free_port())
        server.initialize()
        server.start()
        try:
            yield server
        finally:
            with suppress(subprocess.CalledProcessError):  # a test has stopped it
                server.stop()


@contextmanager
def s3() -> Iterator[str]:
    """Run an S3 endpoint in the block, and give its ``host:port``."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/moto-api/"):  # loopback
                break
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def programs() -> Path | None:
    """Return the folder with PostgreSQL's programs, None where there is none."""
    for pattern in _FOLDERS:
        for folder in sorted(Path("/").glob(pattern[1:]), reverse=True):
            if (folder / "initdb").exists():
                return folder
    found = shutil.which("initdb")
    return None if found is None else Path(found).parent


def _installed() -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit("PostgreSQL is not installed. Install it: apt-get install postgresql")
    subprocess.run(["apt-get", "install", "--yes", "postgresql"], check=True)
    found = programs()
    assert found is not None
    return found
