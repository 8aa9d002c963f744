"""A lock on a file, released by the system when its process ends, in whatever way.

On Linux and macOS it is `flock`, which a child process may inherit. Over NFS Linux passes it on to
the server, so it holds between machines where the server locks at all. Windows locks a byte behind
the end of the file, since it makes locked bytes unreadable.
"""

import contextlib
import datetime
import errno
import os
import pathlib
import socket
import sys
from collections.abc import Iterator
from typing import BinaryIO

from adversarial_autoencoder.system.errors import UserError

TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)


@contextlib.contextmanager
def held(path: pathlib.Path, doing: str) -> Iterator[None]:
    """Holds the lock within a `with` block; the file says by whom and since when.

    Where the file system has no locks, a warning says so and the block runs without one.

    The message begins with what is being done, for example `Results/… is being trained`.

    Raises:
      UserError: another process holds it.
      OSError: the file cannot be written.
    """
    with open(path, "a+b") as file:
        try:
            lock(file)
        except OSError as error:
            if error.errno in TAKEN:
                file.seek(0)
                holder = file.read().decode(errors="replace") or "another process"
                raise UserError(f"{doing} by {holder}: stop that one, or wait") from None
            print(
                f"Warning: {path} cannot be locked ({error.strerror}): see to it that no other "
                "process trains this run.",
                file=sys.stderr,
            )
        file.truncate(0)
        since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
        file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # A full disk should not hide what went before.
                file.truncate(0)


def lock(file: BinaryIO) -> None:
    """Locks an open file until it is closed, on Linux and macOS by those that inherit it, too.

    Raises:
      OSError: its `errno` is one of `TAKEN` where another process holds the lock.
    """
    if os.name == "nt":
        import msvcrt

        file.seek(1 << 30)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
