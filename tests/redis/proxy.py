"""
A proxy on this machine that stands between a client and a server, and does to their bytes what
networks and broken servers do.

    pass             nothing
    slow             every answer is two seconds late
    half-closed      it says that it will send no more, and takes what comes
    reset            every connection is torn down, and every new one
    garbage          answers are other bytes
    stall            of every answer only the first half comes
    mute             what calls ask for is not answered; other things are
    shifted          every answer is that to the question before, on the same connection
    swapped          the answers of two connections are exchanged
    deaf             nothing is taken from the server

What it does is changed under running clients by ``mode``, and the server by ``turn_to``. Nothing
sleeps: whatever waits ends when the proxy is closed.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading

LATE = 2.0  # seconds
_NEWS = b"\r\nserial\r\n"
_ASKS = re.compile(rb"\r\n(?:EVALSHA|EVAL|HMGET|GETRANGE)\r\n")
GARBAGE = b"\x00\xff*garbage\r\n"


class Proxy:
    """
    In front of the server at *port*; ``url`` is where clients find it.
    """

    def __init__(self, port: int, mode: str = "pass") -> None:
        self.mode = mode
        self._port = port
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._links: list[Link] = []
        self._held: list[tuple[Link, bytes]] = []
        #: Connections that were asked for.
        self.connections = 0
        self._asked = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Every connection ends."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.close()

    def be(self, mode: str) -> None:
        """From now on, *mode*; what tears down does so with the connections that are there."""
        self.mode = mode
        if mode == "reset":
            with self._lock:
                links, self._links = self._links, []
            for link in links:
                link.reset()
        if mode == "half-closed":
            with self._lock:
                for link in self._links:
                    link.say_no_more()

    def turn_to(self, port: int) -> None:
        """Another server from now on, as after a failover: connections end, new ones go there."""
        self._port = port
        self.cut()

    def wait(self, seconds: float) -> bool:
        """Let time pass; whether it was closed."""
        return self._closed.wait(seconds)

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "reset":
                tear(near)
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self._port), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            link = Link(self, near, far)
            with self._lock:
                self._links.append(link)
            if self.mode == "half-closed":
                link.say_no_more()
            link.start()

    @property
    def asked(self) -> int:
        """How many questions came for calls, whatever became of them."""
        return self._asked

    def heard(self, link: Link, data: bytes) -> None:
        """A client says *data* on *link*."""
        asks = bool(_ASKS.search(data))
        link.asks = link.asks or asks
        if _NEWS in data:
            return  # asked for by the thread that listens, whenever it likes
        with self._lock:
            self._asked += asks

    def answered(self, link: Link, answer: bytes) -> None:
        """The server has answered on *link*; what of it comes to the client."""
        mode = self.mode
        if mode == "slow":
            self._closed.wait(LATE)
        elif mode == "garbage":
            answer = GARBAGE
        elif mode == "stall":
            answer = answer[: len(answer) // 2]
        elif mode == "mute" and link.asks:
            return
        elif mode == "shifted" and link.asks:
            answer, link.before = link.before, answer
        elif mode == "swapped" and link.asks:
            self._exchange(link, answer)
            return
        else:
            link.before = answer
        link.give(answer)

    def _exchange(self, link: Link, answer: bytes) -> None:
        with self._lock:
            other = next((one for one in self._held if one[0] is not link), None)
            if other is None:
                self._held.append((link, answer))
                return
            self._held.remove(other)
        other[0].give(answer)
        link.give(other[1])


class Link:
    """
    One connection of a client, and the one to the server that belongs to it.
    """

    def __init__(self, proxy: Proxy, near: socket.socket, far: socket.socket) -> None:
        self._proxy = proxy
        self._near = near
        self._far = far
        #: Whether calls ask on it: a subscription does not.
        self.asks = False
        self.before = b"+OK\r\n"

    def start(self) -> None:
        for way in (self._upwards, self._downwards):
            threading.Thread(target=way, daemon=True).start()

    def give(self, answer: bytes) -> None:
        with contextlib.suppress(OSError):
            self._near.sendall(answer)

    def say_no_more(self) -> None:
        with contextlib.suppress(OSError):
            self._near.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        tear(self._near)
        self.close()

    def close(self) -> None:
        for one in (self._near, self._far):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _upwards(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._near.recv(65536):
                self._proxy.heard(self, data)
                self._far.sendall(data)
        self.close()

    def _downwards(self) -> None:
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._far.recv(65536):
                while self._proxy.mode == "deaf" and not self._proxy.wait(0.01):
                    pass
                buffer += data
                while (end := end_of(buffer)) is not None:
                    answer, buffer = buffer[:end], buffer[end:]
                    self._proxy.answered(self, answer)
        self.close()


def end_of(data: bytes, at: int = 0) -> int | None:
    """
    Where the first value of RESP2 in *data* ends, None if not all of it is there.
    """
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, after = data[at : at + 1], line + 2
    if kind not in b"$*":
        return after
    number = int(data[at + 1 : line])
    if kind == b"$":
        end = after + max(number + 2, 0) if number >= 0 else after
        return end if end <= len(data) else None
    for _ in range(number):
        end = end_of(data, after)
        if end is None:
            return None
        after = end
    return after


def tear(one: socket.socket) -> None:
    """
    End a connection so that the other side gets a reset.
    """
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
