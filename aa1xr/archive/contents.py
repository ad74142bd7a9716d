"""What an archive lacks, alters or adds, as a store keeps it and its readers say it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from aa1xr.archive import known
from aa1xr.archive.known import Cell, Stimulus
from aa1xr.errors import IncompleteArchiveWarning, StoreError
from aa1xr.messages import warn
from aa1xr.printable import one_line

#: The title of a complete AA1.
AA1_TITLE = "CRCNS AA1: single units in two auditory areas of the zebra finch"
#: Whose data there are: see `origin`.
ORIGINS = ("aa1", "simulated", "other")

#: What is counted of an archive.
KINDS = {"cells", "stimuli", "pairs", "trials"}

#: Statements of one kind that a store keeps; AA1 needs a few hundred at most.
MOST_KEPT = 300
#: Characters of one; it names a cell and a stimulus.
_LONGEST = 1000

#: Statements of one kind that a warning shows.
_MOST_SHOWN = 8


def origin(
    cells: Iterable[Cell], stimuli: Iterable[Stimulus], simulation: Mapping[str, Any] | None
) -> str:
    """Say whose data an archive holds.

    "simulated", if the archive says so; "aa1", if it has any neuron or stimulus of AA1; "other" for
    recordings that only have AA1's layout.
    """
    if simulation is not None:
        return "simulated"
    aa1 = known.aa1()
    if any(cell in aa1.cells for cell in cells) or any(map(aa1.has_stimulus, stimuli)):
        return "aa1"
    return "other"


@dataclass(frozen=True)
class Contents:
    """How an archive compares with what is known of it; a store keeps it in its attributes."""

    origin: str  #: as the function `origin` gives it
    found: dict[str, int] = field(default_factory=dict)  #: of the known cells, ..., those there
    known: dict[str, int] = field(default_factory=dict)  #: numbers of cells, stimuli, pairs, trials
    missing: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    additional: list[str] = field(default_factory=list)

    @classmethod
    def of_attrs(cls, attrs: Mapping[str, Any]) -> Self:
        """The comparison that the attributes of a store hold, or StoreError."""
        try:
            contents = cls(**attrs["contents"])
            numbers = [*contents.found.values(), *contents.known.values()]
            said = contents.missing, contents.different, contents.additional
            if not (
                all(type(n) is int and 0 <= n < 2**63 for n in numbers)
                and all(map(_are_statements, said))
                and contents.origin in ORIGINS
                and contents.found.keys() == contents.known.keys()
                and contents.known.keys() <= KINDS
                and ("cells" in contents.known or not contents.different)
            ):
                raise ValueError(contents)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(
                f"the attributes of the store of {attrs.get('source')!r} do not say what it holds; "
                "build it again from the archive: aa1xr.open(archive, rebuild=True)"
            ) from error
        return contents

    def as_attrs(self) -> dict[str, Any]:
        """The comparison as it stands in the attributes of a store."""
        return {"contents": asdict(self)}

    @property
    def is_complete(self) -> bool:
        """Whether nothing that is known is missing or different."""
        return not (self.missing or self.different)

    @property
    def title(self) -> str:
        """What the data are, on one line."""
        simulated = self.origin == "simulated"
        if self.origin == "other":
            return "Recordings of unknown origin in the layout of CRCNS AA1"
        if self.missing:
            numbers = ", ".join(f"{self.found[of]} of {n} {of}" for of, n in self.known.items())
            return f"part of {'a simulated archive' if simulated else 'CRCNS AA1'} ({numbers})"
        if self.different:
            number = f"{len(self.different)} of {self.known['cells']} cells"
            return f"CRCNS AA1 with altered responses ({number})"
        if simulated:
            return "Simulated cells in the layout of CRCNS AA1"
        return AA1_TITLE

    @property
    def statements(self) -> dict[str, str]:
        """What is missing, different and additional; without what there is nothing to say of."""
        kinds = {
            "missing": self.missing,
            "different": self.different,
            "additional": self.additional,
        }
        return {kind: "; ".join(each) for kind, each in kinds.items() if each}

    def warning(self, source: str) -> str | None:
        """What to say to somebody who opens this; None where all that is known is there."""
        if self.is_complete:
            return None
        kinds = {"Missing": self.missing, "Different from the published data": self.different}
        details = " ".join(f"{kind}: {_cut(each)}." for kind, each in kinds.items() if each)
        again = (
            "Simulate the archive again"
            if self.origin == "simulated"
            else "For all of AA1, extract or fetch the archive again: "
            "aa1xr.open(download=True, data_dir=...) with another folder"
        )
        return (
            f"{one_line(source)} is {self.title}. {details} Results will differ from those of the "
            f"complete archive. {again}. The attributes of the Dataset list everything: "
            f"{', '.join(f'ds.attrs[{kind!r}]' for kind in self.statements)}."
        )


def warn_if_incomplete(attrs: Mapping[str, Any]) -> None:
    """Warn somebody who opens a store with these attributes."""
    if (incomplete := Contents.of_attrs(attrs).warning(attrs["source"])) is not None:
        warn(incomplete, IncompleteArchiveWarning)


def _are_statements(said: Any) -> bool:
    # One more says how many are left out.
    if type(said) is not list or len(said) > MOST_KEPT + 1:
        return False
    return all(isinstance(s, str) and len(s) <= _LONGEST and s.isprintable() for s in said)


def _cut(statements: Sequence[str]) -> str:
    rest = len(statements) - _MOST_SHOWN
    return "; ".join(statements[:_MOST_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
