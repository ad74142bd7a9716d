"""Splits of a protocol as a file, by the names of sounds."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.split import Split
from aa1xr.arguments import shown
from aa1xr.atomic import atomic_write
from aa1xr.benchmark.protocols import Protocol
from aa1xr.benchmark.run import find_protocol
from aa1xr.printable import one_line
from aa1xr.store.location import resolve_path

_PARTS = Split._fields
#: Text of a file: a thousand splits of AA1 are 1.5 MB.
_LONGEST = 2**26


def write_splits(ds: xr.Dataset, protocol: Protocol | str, path: str | os.PathLike[str]) -> Path:
    """Write the splits of a protocol as JSON, by the names of the wav files.

    Parameters
    ----------
    ds
        A Dataset from `aa1xr.open(source, **protocol.options)`.
    protocol
        As in `run`.
    path
        The file.

    Returns
    -------
    pathlib.Path
        The file. It has `protocol`, a name, and `splits`, a list of objects with `train`,
        `validation` and `test`, which are lists of names.

    Raises
    ------
    ValueError
        If the protocol is unknown, or `ds` was not opened for it.

    Examples
    --------
    >>> ds = aa1xr.open_sample(dt_ms=5)
    >>> path = aa1xr.benchmark.write_splits(ds, "cv10", tmp / "splits.json")
    >>> protocol = aa1xr.benchmark.read_splits(path, "cv10")
    >>> protocol.name, protocol.n_splits
    ('cv10, splits.json', 10)
    """
    protocol = find_protocol(protocol)
    prepared = protocol.prepare(ds)
    names = prepared["name"].to_series()
    splits = [
        {part: names[labels].tolist() for part, labels in zip(_PARTS, split, strict=True)}
        for split in protocol.splits(prepared)
    ]
    file = resolve_path("path", path)
    text = json.dumps({"protocol": protocol.name, "splits": splits}, indent=1)
    with atomic_write(file) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return file


def read_splits(path: str | os.PathLike[str], protocol: Protocol | str) -> Protocol:
    """Return a protocol with the splits of a file.

    Parameters
    ----------
    path
        A file of `write_splits`, or one that you wrote.
    protocol
        The protocol that says everything else. The stimuli of the file may be in other parts, and
        some may be left out.

    Returns
    -------
    Protocol
        For `run` and `score_prediction`. Its name has the name of the file.

    Raises
    ------
    ValueError
        If the file is something else or of another protocol, a split lacks a part, or a sound
        occurs twice in a split.
        `run` raises it if the Dataset has no such sound.

    Examples
    --------
    >>> import json
    >>> file = tmp / "one.json"
    >>> songs = aa1xr.open_sample().sel(type="conspecific").name.values.tolist()
    >>> splits = [{"train": songs[:6], "validation": songs[6:8], "test": songs[8:]}]
    >>> written = file.write_text(json.dumps({"splits": splits}))
    >>> aa1xr.benchmark.read_splits(file, "cv10").n_splits
    1
    """
    protocol = find_protocol(protocol)
    file = resolve_path("path", path)
    where = one_line(file)
    try:
        with file.open(encoding="utf-8-sig") as text:
            found = json.loads(text.read(_LONGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{where} must be a file of splits in JSON; {one_line(error)}") from error
    splits = found.get("splits") if isinstance(found, dict) else None
    if not isinstance(splits, list) or not splits:
        raise ValueError(f'{where} must be an object with a list "splits"; got {shown(found)}')
    written = str(found.get("protocol", protocol.name))
    if written.partition(", ")[0] != protocol.name.partition(", ")[0]:  # without the name of a file
        raise ValueError(
            f"{where} has splits of protocol {shown(written)}, and protocol is {protocol.name!r}; "
            f'give protocol={shown(written)}, or remove "protocol" from the file'
        )
    options = {each.name: getattr(protocol, each.name) for each in fields(Protocol)}
    options |= {"name": f"{protocol.name}, {file.name}", "n_splits": len(splits)}
    fixed = tuple(_checked(f"split {k} of {where}", split) for k, split in enumerate(splits))
    return FixedSplits(**options, fixed=fixed)


def _checked(where: str, split: Any) -> tuple[tuple[str, ...], ...]:
    """The names of each part."""
    if not isinstance(split, dict):
        raise ValueError(  # noqa: TRY004 - the contents of a file
            f"{where} must be an object with {', '.join(_PARTS)}; got {shown(split)}"
        )
    for part in _PARTS:
        names = split.get(part)
        if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
            raise ValueError(
                f'{where} must have a list "{part}" of names of wav files; got {shown(names)}'
            )
    every = [name for part in _PARTS for name in split[part]]
    if repeated := [name for name in every if every.count(name) > 1]:
        raise ValueError(f"{where} must have each sound once; {shown(repeated[0])} occurs twice")
    return tuple(tuple(split[part]) for part in _PARTS)


@dataclass(frozen=True)
class FixedSplits(Protocol):
    """A protocol with the splits of a file."""

    fixed: tuple[tuple[tuple[str, ...], ...], ...] = field(default=(), repr=False)

    @property
    def attrs(self) -> dict[str, Any]:
        """The protocol as attributes; splits as a digest."""
        base = Protocol(**{n: v for n, v in asdict(self).items() if n != "fixed"})
        digest = sha256(json.dumps(self.fixed).encode()).hexdigest()
        return base.attrs | {"protocol_splits_sha256": digest}

    def splits(self, ds: xr.Dataset) -> list[Split]:
        """The stimuli of these names."""
        schema.require_coords(ds, "name", "type")
        labels = dict(zip(ds["name"].values.tolist(), ds["stimulus"].values, strict=True))
        found = []
        for k, parts in enumerate(self.fixed):
            missing = [name for part in parts for name in part if name not in labels]
            if missing:
                raise ValueError(
                    f"split {k} of {self.name} has the sound {shown(missing[0])}, and the Dataset "
                    f"has no such name of type {' or '.join(self.types)}"
                )
            split = Split(*(np.array([labels[name] for name in part]) for part in parts))
            types = set(ds["type"].sel(stimulus=split.test).values.tolist())
            # Where all sounds have one score, a type may be absent.
            if not self.together and (absent := sorted(set(self.types) - types)):
                raise ValueError(
                    f"split {k} of {self.name} must test a sound of each type; {absent[0]} is "
                    "missing"
                )
            found.append(split)
        return found
