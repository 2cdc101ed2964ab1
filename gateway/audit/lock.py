"""One process writes the record of a folder. The kernel drops the lock with the process, however it ends."""

import fcntl
import os
from pathlib import Path

from gateway.audit.sqlite import LogFileError


def locked(path: Path) -> int:
    """A handle that holds the folder's lock until it is closed. Raises LogFileError, OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as taken:
        owner = os.read(handle, 20).decode("ascii", "replace").strip()
        os.close(handle)
        raise LogFileError(
            f"process {owner or 'unknown'} already writes the record in {path.parent}"
        ) from taken
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle
