"""The errors this package raises about data; misuse of an argument is a plain ValueError."""


class ArchiveError(ValueError):
    """The raw archive is not what AA1 must be; the message names file, line and the way on."""


class StoreError(ValueError):
    """A store is damaged, foreign or of another format version."""


class DataNotFoundError(FileNotFoundError):
    """There is nothing at the given place, or no data in the data directory."""


class DownloadError(OSError):
    """The archive could not be fetched from CRCNS; the message says why and what to do."""


class WaitingWarning(UserWarning):
    """Another process is writing what this one wants to write; this one waits."""
