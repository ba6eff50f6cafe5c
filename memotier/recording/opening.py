"""
Where the history of a cache lies, and who records into it.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

from ..codecs.secrets import load_keys, user_key
from ..keyed import Keyed
from ..settings.model import WarmingSettings
from ..settings.schema import OPTIONS
from ..wiring import Wiring
from .history import History, Limits
from .recorder import Recorder

#: Beside the files of the second tier; a later format lies in another folder.
FOLDER = "history-v1"


def history_of(keyed: Keyed, folder: Path | None = None) -> History:
    """
    The history of a cache: in *folder* or as the settings say, else beside its second tier, else
    in the user's own directory for such things.
    """
    wiring = keyed.wiring
    said = warming_of(wiring)
    encrypt = wiring.options.encrypt
    keys = wiring.options.keys if encrypt else load_keys(os.environ) or (user_key(),)
    limits = Limits(
        calls=said.max_calls, bytes=said.max_bytes, age=said.max_age, half_life=said.half_life
    )
    clock = keyed.engine.clock
    return History(folder or _folder(wiring, said), keys, limits, clock, encrypt=encrypt)


def recorder_of(keyed: Keyed) -> Recorder:
    """
    The recorder of a cache, made at the first call of this.

    Raises:
        ConfigError, OSError, RuntimeError: If the key or the place of the history is not to be had.
    """
    # Not under the lock: this looks for files.
    history = None if keyed.recorder is not None else history_of(keyed)
    with keyed.engine.lock:
        if keyed.recorder is None:
            assert history is not None
            interval = warming_of(keyed.wiring).interval
            keyed.recorder = Recorder(keyed.engine, history, interval)
        recorder: Recorder = keyed.recorder
        return recorder


def warming_of(wiring: Wiring) -> WarmingSettings:
    """
    What the settings of a cache say of recording and warming; the defaults for a cache that was
    made from arguments.
    """
    if wiring.settings is not None:
        return wiring.settings.warming
    start = "warming."
    said = {key.removeprefix(start): o.default for key, o in OPTIONS.items() if start in key}
    return WarmingSettings(**said)


def _folder(wiring: Wiring, said: WarmingSettings) -> Path:
    if said.history is not None:
        return said.history / FOLDER
    if wiring.directory is not None:
        return wiring.directory / FOLDER
    base = os.environ.get("XDG_STATE_HOME", "")
    state = Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state"
    # One for each cache of each project: what runs elsewhere are other functions.
    where = blake2b(os.fsencode(Path.cwd()), digest_size=6).hexdigest()
    return state / "memotier" / f"{wiring.options.name}-{where}" / FOLDER
