"""
Two hosts on one machine: network namespaces with a cable between them. Run as a program, it does
one thing in them:

    hold                        a new namespace, which lives until standard input ends
    enter PID COMMAND...        COMMAND in the namespace of PID
    link PID                    a cable from this namespace to that of PID
    address ADDRESS             of this end of the cable
    up | down                   this end of the cable

It needs a Linux that lets this user make namespaces (root may), and no program of the system. The
addresses are those of these namespaces, which nothing else can reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys

CLONE_NEWNET = 0x40000000
CABLE = "cable0"
HERE, THERE = "10.203.0.1", "10.203.0.2"

_LIBC = ctypes.CDLL(None, use_errno=True)


class Host:
    """
    A network namespace.
    """

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [sys.executable, __file__, "hold"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if "ready" not in self._child.stdout.readline():
            _, why = self._child.communicate()
            raise OSError(why.strip().rpartition("\n")[2])

    def command(self, *words: str) -> list[str]:
        """How to run *words* there."""
        return [sys.executable, __file__, "enter", str(self._child.pid), *words]

    def do(self, *words: str) -> None:
        subprocess.run(self.command(sys.executable, __file__, *words), check=True, timeout=30)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._child.stdin.close()
        self._child.wait(30)
        self._child.stdout.close()
        self._child.stderr.close()

    def connect(self, other: Host) -> None:
        """A cable: ``HERE`` at this end, ``THERE`` at the other."""
        self.do("link", str(other._child.pid))
        for host, address in ((self, HERE), (other, THERE)):
            host.do("address", address)
            host.do("up")


def hold() -> None:
    if _LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "network namespaces cannot be made here")
    flags("lo", True)
    print("ready", flush=True)
    sys.stdin.read()


def enter(pid: str, *command: str) -> None:
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        if _LIBC.setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
    os.execvp(command[0], command)


def flags(name: str, is_up: bool) -> None:
    """Take an interface up or down: SIOCGIFFLAGS, SIOCSIFFLAGS."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        asked = struct.pack("16sh14x", name.encode(), 0)
        _, now = struct.unpack("16sh14x", fcntl.ioctl(one, 0x8913, asked))
        wanted = now | 1 if is_up else now & ~1
        fcntl.ioctl(one, 0x8914, struct.pack("16sh14x", name.encode(), wanted))


def address(text: str) -> None:
    """SIOCSIFADDR, SIOCSIFNETMASK: a network of four addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        for request, value in ((0x8916, text), (0x891C, "255.255.255.252")):
            place = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
            fcntl.ioctl(one, request, struct.pack("16s16s", CABLE.encode(), place))


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def link(pid: str) -> None:
    """A pair of virtual interfaces (veth), one here and one in the namespace of *pid*."""
    head = struct.pack("BxHiII", 0, 0, 0, 0, 0)  # ifinfomsg
    name = attribute(3, CABLE.encode() + b"\0")
    peer = attribute(1, head + name + attribute(19, struct.pack("I", int(pid))))
    pair = attribute(18, attribute(1, b"veth") + attribute(2, peer))
    body = head + name + pair
    # RTM_NEWLINK; request, acknowledge, create, and only if there is none.
    message = struct.pack("IHHII", 16 + len(body), 16, 0x605, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as one:
        one.bind((0, 0))
        one.send(message)
        [code] = struct.unpack_from("i", one.recv(4096), 16)
    if code:
        raise OSError(-code, "no cable can be laid")


if __name__ == "__main__":
    what, *rest = sys.argv[1:]
    {
        "hold": hold,
        "enter": enter,
        "link": link,
        "address": address,
        "up": lambda: flags(CABLE, True),
        "down": lambda: flags(CABLE, False),
    }[what](*rest)
