"""Errors about data, with the base `AA1Error`, and warnings, with the base `AA1Warning`.

An argument that is out of range is a plain ValueError, and one of another type a TypeError.
"""

from __future__ import annotations

from aa1xr.printable import message, one_line


class AA1Error(Exception):
    """The base of all errors of this package about data.

    Their text has names from archives, stores and servers in it, which are shown escaped.
    """

    _has_lines = False

    def __str__(self) -> str:
        text = message(super().__str__())
        return text if self._has_lines else one_line(text)


class ArchiveError(AA1Error, ValueError):
    """The raw archive is not what AA1 must be; the message names file, line and the way on."""


class StoreError(AA1Error, ValueError):
    """A store is damaged, foreign or of another format version."""


class DataNotFoundError(AA1Error, FileNotFoundError):
    """There is nothing at the given place, or no data in the data directory."""

    _has_lines = True


class DownloadError(AA1Error, OSError):
    """The archive could not be fetched from CRCNS; the message says why and what to do."""

    _has_lines = True


class AA1Warning(UserWarning):
    """The base of all warnings of this package: results are as documented, but read the message."""


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
