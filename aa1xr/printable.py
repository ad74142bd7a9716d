"""Text that comes from outside, made safe to show: in messages, as part of file names, in plots.

Whoever made an archive, a store or a server chose its labels, names and attributes. They go through
one of these functions wherever they leave the data for a person, a file name or a parser.
"""

from __future__ import annotations

import hashlib
import re

#: Characters shown; a message is for a person to read.
_LONGEST = 120
_LONGEST_MESSAGE = 4000
#: Bytes of a name that a label may have, so that there is room for the rest of it.
_LONGEST_NAME = 120
#: What Windows, or any system, does not take in a name, or reads as something else.
_RESERVED = frozenset('<>:"/\\|?*')
#: A device of Windows, whatever follows its first dot.
_DEVICE = re.compile(
    r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³]) *(?:\.|$)", re.IGNORECASE
)
_USER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/?#\s]*@")
_QUERY = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://[^?\s'\"]*)\?(?!\*\*\*)[^\s'\")]+")
_MARKDOWN = re.compile(r"[\\`*\[\]<|]")


def printable(text: object, *, longest: int = _LONGEST) -> str:
    r"""Text from a file, a server or an archive, escaped and cut, for messages and terminals.

    Control characters would move the cursor of a terminal or add lines to a log, and marks that
    turn the direction of writing would disguise a name.

    >>> printable("MLd\x1b[2J")
    'MLd\\x1b[2J'
    """
    shown = _escape(str(text)[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def one_line(text: object) -> str:
    r"""A path or an error as a part of a message: escaped, and on one line.

    A path is shown in full, since a part of it leads nowhere.

    >>> one_line("/data/x\n\x1b[2J.zip")
    '/data/x\\n\\x1b[2J.zip'
    """
    return _escape(str(text)[:_LONGEST_MESSAGE])


def message(text: object) -> str:
    r"""A whole message, with lines of its own, escaped and cut.

    >>> message("damaged:\n  MLd\x1b[2J")
    'damaged:\n  MLd\\x1b[2J'
    """
    lines = without_secrets(str(text)[: _LONGEST_MESSAGE + 1]).split("\n")
    shown = "\n".join(map(_escape, lines))
    return shown if len(shown) <= _LONGEST_MESSAGE else f"{shown[: _LONGEST_MESSAGE - 3]}..."


def without_secrets(text: str) -> str:
    """A text whose URLs have neither a user's name and password nor a query, which may be signed.

    >>> without_secrets("no https://me:key@host/aa1.zarr?token=key there")
    'no https://***@host/aa1.zarr?*** there'
    """
    return _QUERY.sub(r"\g<1>?***", _USER.sub(r"\g<1>***@", text))


def file_name(text: object) -> str:
    """A label as a part of a file name: one name, in its own folder, on every system.

    A label that is not such a name is changed, and told apart from others by a hash.

    >>> file_name("gg0304_10_B")
    'gg0304_10_B'
    >>> file_name("x/../..")
    'x_.._..-7612aba6'
    """
    label = str(text)
    name = "".join(c if c.isprintable() and c not in _RESERVED else "_" for c in label)
    name = f"_{name}" if _DEVICE.match(name) else name
    # "." and ".." are folders.
    plain = name == label and 0 < len(label.encode()) <= _LONGEST_NAME and label[0] != "."
    if plain and is_name_on_windows(label):
        return label
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name.encode()[:_LONGEST_NAME].decode(errors='ignore').lstrip('.')}-{digest}"


def is_name_on_windows(text: str) -> bool:
    """Whether Windows takes a text as the name of a file, and as no other's.

    It drops dots and spaces at the end, and what follows a colon is a hidden stream of a file.
    """
    taken = all(c >= " " and c not in _RESERVED for c in text)
    return taken and text[-1:] not in {"", ".", " "} and not _DEVICE.match(text)


def plot_text(text: object) -> str:
    r"""A label for matplotlib, which would read what stands between two $ as mathematics.

    >>> plot_text("$x_1$")
    '\\$x_1\\$'
    """
    return printable(text, longest=60).replace("$", r"\$")


def cell_text(text: object) -> str:
    r"""A label for a cell of a Markdown table.

    >>> print(cell_text("a|b"))
    a\|b
    """
    return _MARKDOWN.sub(r"\\\g<0>", printable(text))


def _escape(text: str) -> str:
    if text.isprintable():  # as nearly all are, and sixty times as quick
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode("ascii")
        for c in text
    )
