"""The errors this package raises about data, and its warnings about data and results.

Misuse of an argument is a plain ValueError.
"""

from __future__ import annotations

from aa1xr.printable import message, one_line


class _ShownError(Exception):
    """An error whose text has names from archives, stores and servers in it: shown escaped."""

    _has_lines = False

    def __str__(self) -> str:
        text = message(super().__str__())
        return text if self._has_lines else one_line(text)


class ArchiveError(_ShownError, ValueError):
    """The raw archive is not what AA1 must be; the message names file, line and the way on."""


class StoreError(_ShownError, ValueError):
    """A store is damaged, foreign or of another format version."""


class DataNotFoundError(_ShownError, FileNotFoundError):
    """There is nothing at the given place, or no data in the data directory."""

    _has_lines = True


class DownloadError(_ShownError, OSError):
    """The archive could not be fetched from CRCNS; the message says why and what to do."""

    _has_lines = True


class AA1Warning(UserWarning):
    """A user must know this to read a result correctly; the result is as documented."""


class UndefinedWarning(AA1Warning):
    """A measure is not defined for some neurons (NaN), or is over fewer stimuli; says why."""


class BiasWarning(AA1Warning):
    """A mean is biased, since those without a value are left out of it."""


class UnitsWarning(AA1Warning):
    """Data do not say their units, and look like data in other units."""


class IncompleteArchiveWarning(AA1Warning):
    """An archive, or the store built from it, lacks or alters a part of what AA1 holds."""


class OwnerWarning(AA1Warning):
    """A store in the data directory belongs to another user, who can change what is in it."""


class WaitingWarning(AA1Warning):
    """Something takes long, and goes on: another process writes, or a transfer is slow."""
