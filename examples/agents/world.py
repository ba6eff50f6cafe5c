"""
What the tools work on: a price list behind a local HTTP API, and a notebook in SQLite.

Both count what they are asked, so that the example can tell what the cache kept from them.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PRICES = {"owl": 19.90, "wren": 4.49, "heron": 12.30}
#: Seconds that the API takes to answer, as one across a network would.
LATENCY = 0.08

asked: Counter[str] = Counter()
_lock = threading.Lock()


def count(what: str) -> None:
    with _lock:
        asked[what] += 1


class Api(BaseHTTPRequestHandler):
    """
    ``GET /prices/owl``; what it does not know is 404.
    """

    def do_GET(self) -> None:
        count("api")
        time.sleep(LATENCY)
        price = PRICES.get(self.path.removeprefix("/prices/"))
        body = json.dumps({"price": price}).encode()
        self.send_response(200 if price is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


class Notebook:
    """
    Notes of users, in a database in memory.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.execute("CREATE TABLE notes (user TEXT, topic TEXT, text TEXT)")
        self._lock = threading.Lock()

    def find(self, user: str, topic: str) -> list[str]:
        count("notes read")
        with self._lock:
            rows = self._db.execute(
                "SELECT text FROM notes WHERE user = ? AND topic = ? ORDER BY rowid", (user, topic)
            )
            return [text for (text,) in rows]

    def add(self, user: str, topic: str, text: str) -> None:
        count("notes written")
        with self._lock, self._db:
            self._db.execute("INSERT INTO notes VALUES (?, ?, ?)", (user, topic, text))

    def erase(self) -> None:
        with self._lock, self._db:
            self._db.execute("DELETE FROM notes")

    def close(self) -> None:
        self._db.close()


notebook = Notebook()
_server = ThreadingHTTPServer(("127.0.0.1", 0), Api)


def start() -> None:
    threading.Thread(target=_server.serve_forever, daemon=True).start()


def stop() -> None:
    _server.shutdown()
    _server.server_close()
    notebook.close()


def url() -> str:
    return f"http://127.0.0.1:{_server.server_port}"
