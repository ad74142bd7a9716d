"""Text that comes from outside, made safe to show."""

from __future__ import annotations

#: Characters shown; a message is for a person to read.
_LONGEST = 120


def printable(text: object, *, longest: int = _LONGEST) -> str:
    r"""Text from a file, a server or an archive, escaped and cut, for messages and terminals.

    Control characters would move the cursor of a terminal or add lines to a log, and marks that
    turn the direction of writing would disguise a name.

    >>> printable("MLd\x1b[2J")
    'MLd\\x1b[2J'
    """
    shown = "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in str(text)[: longest + 1]
    )
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."
