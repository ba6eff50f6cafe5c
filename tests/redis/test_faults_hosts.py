"""
Two hosts and a cable that breaks: packets vanish, and nobody is told that a connection is over.

It needs a Linux where this user may make network namespaces. Where that is refused the tests are
skipped with the system's reason, and with MEMOTIER_TEST_NETNS=1 (``tox -e netns``) they fail.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from types import SimpleNamespace

import pytest

from .hosts import HERE, Host
from .support import Worker, soon

pytestmark = [pytest.mark.extras, pytest.mark.slow]

PORT = 6379
#: Read before tests hide it.
REQUIRED = os.environ.get("MEMOTIER_TEST_NETNS")


@pytest.fixture
def hosts(server):
    """
    A host with a server, and another one.
    """
    with contextlib.ExitStack() as stack:
        try:
            one, two = (stack.enter_context(contextlib.closing(Host())) for _ in range(2))
            one.connect(two)
        except (OSError, subprocess.CalledProcessError) as error:
            if REQUIRED:
                raise
            pytest.skip(f"two hosts need network namespaces: {error}")
        program = server.run("INFO", "server")["executable"]
        options = f"--port {PORT} --bind 0.0.0.0 --protected-mode no --dir /tmp --save".split()
        child = subprocess.Popen(one.command(program, *options, ""), stdout=subprocess.DEVNULL)
        stack.callback(child.wait)
        stack.callback(child.kill)
        probe = f"import socket; socket.create_connection(({HERE!r}, {PORT}), 5)"
        soon(lambda: 0 == subprocess.run(two.command(sys.executable, "-c", probe)).returncode)
        yield one, two


def at(host):
    return SimpleNamespace(url=f"redis://{host}:{PORT}/0")


@pytest.mark.parametrize("end", ["the server's", "its own"])
def test_fault_18_a_host_whose_cable_is_cut(hosts, name, end):
    """
    Its calls go on; what was invalidated meanwhile leaves its memory although nothing can be heard,
    and when the cable is mended both share results and invalidations as before.
    """
    here, there = hosts
    with (
        Worker(at("127.0.0.1"), name, age="2s", run=here.command) as one,
        Worker(at(HERE), name, age="2s", run=there.command) as two,
    ):
        old = one("get k")
        assert old == two("get k")
        one("tag t")
        assert soon(lambda: two("get k") != old)
        old = one("get k")
        assert soon(lambda: two("get k") == old)

        cut = here if end == "the server's" else there
        cut.do("down")
        assert "True" != one("tag t")
        began = time.monotonic()
        assert old != one("get k")
        assert two("get another").startswith(f"{two.child.pid}-")
        assert soon(lambda: two("get k") != old)
        print(f"believed for {time.monotonic() - began:.2f} s after the cut")
        assert two("get k").startswith(f"{two.child.pid}-")
        for n in range(20):
            assert two(f"get {n}").startswith(f"{two.child.pid}-")

        cut.do("up")

        def share():
            new = uuid.uuid4().hex
            return one(f"get {new}") == two(f"get {new}")

        assert soon(share, 60)
        old = one("get k")
        assert soon(lambda: two("get k") == one("get k"), 60)
        old = one("get k")
        one("tag t")
        assert soon(lambda: two("get k") != old)


def test_the_hosts_reach_nobody_else():
    """
    A namespace has its own end of the cable and no way out.
    """
    try:
        host = Host()
    except OSError as error:
        if REQUIRED:
            raise
        pytest.skip(f"two hosts need network namespaces: {error}")
    probe = "import socket; print([name for _, name in socket.if_nameindex()])"
    shown = subprocess.run(
        host.command(sys.executable, "-c", probe), capture_output=True, text=True, check=True
    ).stdout
    host.close()
    assert "['lo']" == shown.strip()
    assert socket.if_nameindex()
