"""Atomic writes: a file or folder appears under its name when it is complete, and not before.

One process at a time writes to a name. It holds a lock, a file beside that name, which is removed
with the hold. A temporary file whose lock nobody holds was left by a killed writer; the next writer
in the same folder removes it.

Symbolic links are never followed where something is replaced or removed: a link is set aside as a
file, and what it leads to stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from aa1xr.errors import WaitingWarning
from aa1xr.messages import logger, warn
from aa1xr.printable import one_line

if TYPE_CHECKING:
    from filelock import BaseFileLock as FileLock


#: What is beside a name: what is being written (it ends as the name does, for libraries that go by
#: that), and its lock.
_LEFTOVER = re.compile(
    r"\.[0-9a-f]{32}\.aa1xr-partial\.(?P<partial>.+)|\.(?P<locked>.+)\.aa1xr-lock",
    re.DOTALL,  # a name may have a newline in it
)

#: Seconds after which a process says that it waits for another.
_PATIENCE = 5

#: Windows moves and removes nothing that a program has open, and syncs no folder.
_WINDOWS = os.name == "nt"

#: Seconds for which readers, indexers and virus scanners of Windows may have a file open.
_HELD = 2

#: Bytes of a name beside which there is room for those of its lock and of what is being written.
_LONGEST_NAME = 255 - len(f".{32 * '0'}.aa1xr-partial.")

#: How file systems say that they have no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextmanager
def atomic_write(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """A file or folder to write beside `target`, which gets that name once the block has ended.

    Where the block raises, nothing is left. A process that is killed at any instant leaves nothing
    at `target`, or all of it, on the disk. FileExistsError if something is there already.

    With `replace`, a file replaces a file, and a folder one that holds the same but may be damaged:
    file by file, so that concurrent readers find each file, the old one or the new one. Everything
    else in the folder is removed, except what other processes are writing there; the caller makes
    sure that the folder is its own. A link is replaced; what it leads to is not touched.
    """
    if not replace:
        refuse_existing(target)
    with locked(target) as alone:
        if not replace:  # another process may have been here while this one waited
            refuse_existing(target)
        if alone:
            _remove_leftovers(target.parent, held=target.name)
        partial = _beside(target)
        try:
            yield partial
            _sync(partial)
            if replace:
                _replace(partial, target)
            else:
                _rename(partial, target)
            _sync_entry(target.parent)
        except BaseException as error:
            # zarr does not wait for what else it has begun when a part of it fails.
            for _ in range(5):
                with contextlib.suppress(OSError):  # still open, on Windows; the error counts
                    _remove(partial)
                time.sleep(0.02)
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                raise OSError(error.errno, error.strerror, str(target)) from error  # say of what
            raise


@contextmanager
def locked(target: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of `target`; False where the file system has none.

    TimeoutError if another process holds it, unless this one is to `wait`.
    """
    from filelock import FileLock  # imported where it is used: a warm open takes no lock

    target.parent.stat()  # filelock would make the folder: a store that has gone came back empty
    path = target.with_name(f".{_short(target.name)}.aa1xr-lock")
    if path.is_symlink():  # never a lock that is held: filelock makes files, and opens no link
        discard(path)
    # Anybody may use a lock that a killed process left, whatever the umask of its user was.
    lock = FileLock(path, mode=0o666)
    try:
        _acquire(lock, target, wait=wait)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        logger.warning(
            "%s: this file system has no locks (%s); if several processes write %s at once, "
            "each does all the work and the first to finish counts",
            target.parent,
            error.strerror,
            target.name,
        )
        path.unlink(missing_ok=True)
        yield False
        return
    try:
        yield True
    finally:
        # While it is held: who waits for it finds that its file is gone, and takes a new one.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


def _acquire(lock: FileLock, target: Path, *, wait: bool) -> None:
    """Take the lock; a process that waits for long says for what."""
    try:
        lock.acquire(timeout=_PATIENCE if wait else 0)
    except TimeoutError:
        # Where no file can be made, as in /proc, filelock tries again without end.
        with tempfile.TemporaryFile(dir=target.parent):
            pass
        if not wait:
            raise
        warn(
            f"{one_line(target)}: another process is writing it (it holds "
            f"{one_line(lock.lock_file)}); waiting until it has finished. Ctrl-C is safe.",
            WaitingWarning,
        )
        lock.acquire()


def discard(target: Path, *, folder: bool = False) -> None:
    """Remove what is at `target`, if anything; concurrent readers find all of it, or nothing.

    It may be a folder only with `folder`: then the caller makes sure that the folder is its own,
    and all in it is removed. A link to a folder is a link.
    """
    if not folder and _is_folder(target):
        raise IsADirectoryError(
            errno.EISDIR,
            "there is a folder in the place of a file; move it elsewhere, it is not removed",
            str(target),
        )
    aside = _beside(target)
    with contextlib.suppress(FileNotFoundError):
        move(target, aside)
        _remove(aside)


def move(source: Path, target: Path, *, replace: bool = False) -> None:
    """Rename a file or folder; on Windows, as soon as no other program has it open.

    PermissionError if one keeps it open. Without `replace`, POSIX replaces files all the same.
    """
    rename = source.replace if replace else source.rename
    end = time.monotonic() + _HELD
    while True:
        try:
            rename(target)
        except PermissionError as error:
            if not _WINDOWS:
                raise
            if time.monotonic() > end:
                raise PermissionError(
                    error.errno,
                    f"{error.strerror}; close it in other programs, and try again",
                    str(target),
                ) from error
        else:
            return
        time.sleep(0.02)


def append_to(path: Path) -> BinaryIO:
    """A file to add to, which must not be a link, where the system can tell."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    # Of a pipe that nobody reads, opening it would wait.
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def is_regular(path: Path, *, one_name: bool = False) -> bool:
    """Whether a path is a file itself: not a link, a folder, a pipe or a device.

    With `one_name`, also whether no other name (a hard link) leads to it, as one does to a file
    that is to be changed in place.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and not (one_name and status.st_nlink > 1)


def refuse_existing(target: Path) -> None:
    """Raise FileExistsError if something is at `target`, be it a link that leads nowhere."""
    if os.path.lexists(target):
        raise FileExistsError(f"{one_line(target)} exists; remove it first, or write elsewhere")


def is_leftover(name: str) -> bool:
    """Whether a file or folder of that name is being written, or was when its writer was killed."""
    return _LEFTOVER.fullmatch(name) is not None


def _beside(target: Path) -> Path:
    return target.with_name(f".{uuid.uuid4().hex}.aa1xr-partial.{_short(target.name)}")


def _short(name: str) -> str:
    """A name that leaves room for what is put before it: file systems take 255 bytes in all.

    It ends as the long one does, and begins otherwise than any other's; a short name is itself.
    """
    encoded = os.fsencode(name)
    if len(encoded) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(encoded).hexdigest()[:32]
    end = encoded[-(_LONGEST_NAME - len(digest)) :].decode(errors="ignore")
    return f"{digest}{end}"


def _remove_leftovers(folder: Path, *, held: str | None = None) -> None:
    """Remove what killed writers left in a folder, of whose names this process may hold one."""
    left: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        if match := _LEFTOVER.fullmatch(path.name):
            partials = left.setdefault(match["partial"] or match["locked"], [])
            if match["partial"]:
                partials.append(path)
    for name, partials in left.items():
        with contextlib.ExitStack() as stack:
            if name != (held and _short(held)):
                try:
                    if not stack.enter_context(locked(folder / name, wait=False)):
                        continue
                except OSError:  # it is being written, or is another user's
                    continue
            for partial in partials:
                with contextlib.suppress(OSError):  # another user's, in a folder like /tmp
                    _remove(partial)


def _rename(partial: Path, target: Path) -> None:
    """Give a file or folder its name, where nothing may be.

    Another program, or a process of ours where there are no locks, may have been quicker; renaming
    a file would overwrite that file.
    """
    if not (partial.is_dir() or _WINDOWS):  # Windows renames to no name that is taken
        try:
            os.link(partial, target)
        except OSError:  # something is there, or this file system has no hard links
            refuse_existing(target)
        else:
            partial.unlink()
            return
    try:
        move(partial, target)
    except OSError:
        refuse_existing(target)
        raise


def _replace(partial: Path, target: Path) -> None:
    """Put a file in the place of a file, or a folder in that of a folder; either in a link's."""
    if partial.is_dir():
        if target.is_symlink():
            discard(target)
        if target.is_dir():
            _move_into(partial, target)
            _remove(partial)
        else:
            _rename(partial, target)
    elif target.is_symlink() or is_regular(target):
        move(partial, target, replace=True)
    else:
        _rename(partial, target)


def _move_into(partial: Path, target: Path) -> None:
    """Move all files of a folder to their places in another, where then is nothing else.

    What is at the top comes last: it says how the rest is to be read.
    """
    ours = {path.relative_to(partial) for path in partial.rglob("*")}
    folders = sorted(path for path in ours if (partial / path).is_dir())
    for folder in folders:
        if not _is_folder(target / folder):  # a link or a file in the place of a folder
            discard(target / folder)
            (target / folder).mkdir(exist_ok=True)
    for file in sorted(ours - set(folders), key=lambda file: (-len(file.parts), file)):
        if _is_folder(target / file):
            discard(target / file, folder=True)
        move(partial / file, target / file, replace=True)
    _remove_leftovers(target)
    for folder in [target, *(target / path for path in folders)]:
        for path in folder.iterdir():
            if path.relative_to(target) not in ours and not is_leftover(path.name):
                discard(path, folder=True)


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with all in it, is on the disk: before it gets its name."""
    if path.is_dir():
        for entry in path.rglob("*"):
            _sync_entry(entry)
    _sync_entry(path)


def _sync_entry(path: Path) -> None:
    if _WINDOWS and path.is_dir():
        return
    # Windows syncs only what is opened to be written.
    descriptor = os.open(path, os.O_RDWR if _WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:
        if not path.is_dir():  # of folders, some file systems cannot
            raise
    finally:
        os.close(descriptor)


def _is_folder(path: Path) -> bool:
    """Whether a path is a folder itself, and not a link to one."""
    return path.is_dir() and not path.is_symlink()


def _remove(path: Path) -> None:
    if _is_folder(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
