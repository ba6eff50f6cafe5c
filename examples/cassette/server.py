"""
The API of the shop, on a free port of this machine. Only a recording needs it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Shop(BaseHTTPRequestHandler):
    left = {"owl": 2, "lark": 1}
    orders: dict[str, str] = {}

    def do_GET(self) -> None:
        _, what, *rest = self.path.split("/")
        status, body = getattr(self, f"_{what}")(*rest)
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stock(self, sku: str) -> tuple[int, Any]:
        return 200, {"left": self.left[sku]}

    def _discount(self, account: str, sku: str) -> tuple[int, Any]:
        return 200, {"share": 0.1 if account.startswith("gold") else 0.0}

    def _order(self, number: str, sku: str) -> tuple[int, Any]:
        if number not in self.orders:
            self.left[sku] -= 1
            self.orders[number] = sku
        return 200, {"number": number, "sku": sku, "state": "ordered"}

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def running() -> Iterator[str]:
    """
    Its address, as long as the block lasts.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
