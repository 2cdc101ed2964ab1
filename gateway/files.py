"""Small files that must be whole: written at once or not at all, and read again when somebody changed them."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from gateway import clock, limits

T = TypeVar("T")


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """`path` holds either what it held before or all of `data`, whatever happens. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def kept(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in `path`; made there, readable by its owner alone, when the file is absent. Raises OSError."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, make())
    return path.read_bytes()


class Watched(Generic[T]):
    """What a file says, read again when it changes; a change that cannot be read changes nothing.

    The file is looked at when it is asked for, at most once in `limits.FILE_LOOK_SECONDS`, so that a secret
    that an operator replaced is used by the next call and no call waits for a disk. Mounted secrets are
    links that are switched: hence not only the time but also the file itself is compared.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T]) -> None:
        """`read` makes the value of the content; ValueError says that it is unusable. Raises it, or OSError."""
        self.path = path
        self.problem = ""
        """Why the last change was not taken, if it was not."""
        self._read = read
        self._looked = clock.mono()
        self._mark = self._look()
        self._value = read(path.read_bytes())

    def value(self) -> T:
        """The content as last read."""
        if clock.mono() - self._looked >= limits.FILE_LOOK_SECONDS:
            self._looked = clock.mono()
            self._again()
        return self._value

    def changed_at(self) -> float:
        """Unix seconds of the change that was read last."""
        return self._mark[0] / 1e9

    def _again(self) -> None:
        try:
            mark = self._look()
            if mark != self._mark:
                self._value = self._read(self.path.read_bytes())
                self._mark = mark
            self.problem = ""
        except (OSError, ValueError) as unusable:
            self.problem = f"{self.path}: {getattr(unusable, 'strerror', None) or unusable}"

    def _look(self) -> tuple[int, int, int]:
        found = self.path.stat()
        return found.st_mtime_ns, found.st_size, found.st_ino
