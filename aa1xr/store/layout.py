"""How a store is laid out, sealed and written: what `build` and `read` agree on.

Events are in CF's contiguous ragged form. `spike_time` is one flat array, sorted by neuron,
stimulus and trial; `row_size` says how many of them belong to each presentation, and
`n_spikes`, its sum over a neuron, lets a reader find a neuron without reading all of `row_size`.
Waveforms lie end to end likewise, `n_samples` long each.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zarr
from zarr.abc.store import Store
from zarr.codecs import Crc32cCodec, ZstdCodec

from aa1xr.atomic import is_leftover
from aa1xr.store.chunks import CHECKSUMS

#: Part of a store's file name, so that a new format is a new store.
FORMAT_VERSION = 4

#: Attribute of the root that holds a checksum of all other metadata.
SEAL = "aa1xr_seal"
#: Attribute of the root that holds the digest of each array.
DIGESTS = "sha256"
METADATA = "zarr.json"
#: Where the root has the metadata of all arrays.
CONSOLIDATED = "consolidated_metadata"


@dataclass(frozen=True)
class Array:
    """One array of the store."""

    dims: tuple[str, ...]
    dtype: str
    chunks: tuple[int, ...]  #: -1: the whole length
    #: A chunk that is gone reads as this; so it is a value that no datum has, or hardly any.
    fill_value: float | str

    def chunk_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the chunks of such an array."""
        return tuple(
            max(1, size if chunk == -1 else chunk)
            for chunk, size in zip(self.chunks, shape, strict=True)
        )


#: A chunk of spike times is 256 KiB, about 9 of AA1's neurons: small enough that one neuron is
#: read in a millisecond, large enough that AA1 is 11 objects and its areas 6 each.
_SPIKES = 2**16
_SAMPLES = 2**19
#: Counts of 256 neurons, all their stimuli and trials, are about half a MiB.
_NEURONS = 256

#: Of Zstandard. Level 5 makes AA1 4 % smaller, and compresses seven times as long.
ZSTD_LEVEL = 1

ARRAYS: dict[str, Array] = {
    "spike_time": Array(("spike",), "int32", (_SPIKES,), -(2**31)),
    "row_size": Array(("neuron", "stimulus", "trial"), "int32", (_NEURONS, -1, -1), -1),
    "n_trials": Array(("neuron", "stimulus"), "int32", (_NEURONS, -1), -1),
    "file_number": Array(("neuron", "stimulus"), "int32", (_NEURONS, -1), -1),
    "waveform": Array(("sample",), "int16", (_SAMPLES,), -(2**15)),
    "neuron": Array(("neuron",), "str", (-1,), ""),
    "area": Array(("neuron",), "str", (-1,), ""),
    "n_spikes": Array(("neuron",), "int64", (-1,), -1),
    "name": Array(("stimulus",), "str", (-1,), ""),
    "type": Array(("stimulus",), "str", (-1,), ""),
    "n_samples": Array(("stimulus",), "int64", (-1,), -1),
}
#: Bytes of a chunk of what is derived from a store and added to it.
ADDED_CHUNK = 2**20
#: Attribute of what is added: the digest of the waveforms that it was derived from.
DERIVED_FROM = "waveform_sha256"

#: Neurons x stimuli x trials, each of which takes five bytes of memory; AA1 has 44,100.
MOST_PRESENTATIONS = 10**8
#: Neurons, and stimuli, whose labels are all in memory; AA1 has 98 and 30.
MOST_LABELS = 10**5

#: The name of what is added.
ADDED_NAME = re.compile("spectrogram-[0-9a-f]{16}")
_NAME = re.compile(
    rf"zarr\.json|(?:{'|'.join(ARRAYS)}|{ADDED_NAME.pattern})(?:/zarr\.json|/c(?:/\d+)*)?", re.ASCII
)


def find_stranger(store: Path, array: str = "") -> str | None:
    """A name in a store's folder, or in one array of it, that is not of the layout, if any is.

    What is being written there is passed over. Links are names like others, and not entered.
    """
    if (store / array).is_symlink():
        return None
    for root, folders, files in os.walk(store / array):
        here = Path(root)
        names = sorted([*folders, *files])
        folders[:] = [name for name in folders if not (here == store and is_leftover(name))]
        for name in names:
            found = (here / name).relative_to(store).as_posix()
            if not (_NAME.fullmatch(found) or is_leftover(found)):
                return found
    return None


class Digest:
    """The SHA-256 of an array's values, taken in part by part along its first axis.

    The chunks' own checksums find a damaged chunk; only this finds one in the place of another.
    """

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()

    def update(self, values: npt.NDArray[Any]) -> Self:
        """Take in the next part."""
        if values.dtype.kind in "OTU":
            self._sha256.update(json.dumps(values.tolist()).encode())
        else:
            little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
            self._sha256.update(np.ascontiguousarray(little_endian).data)
        return self

    def hex(self) -> str:
        """The digest of all parts."""
        return self._sha256.hexdigest()


def added_array(shape: tuple[int, ...]) -> Array:
    """A spectrogram that is added, in chunks of a few stimuli."""
    rows = max(1, ADDED_CHUNK // max(1, 4 * prod(shape[1:])))
    return Array(("stimulus", "freq", "time"), "float32", (rows, -1, -1), float("nan"))


def create_array(
    store: Store,
    spec: Array,
    shape: tuple[int, ...],
    *,
    name: str | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> zarr.Array[Any]:
    """Create an array every chunk of which will carry a CRC-32C."""
    return zarr.create_array(
        store,
        name=name,
        shape=shape,
        dtype=spec.dtype,
        chunks=spec.chunk_shape(shape),
        compressors=[ZstdCodec(level=ZSTD_LEVEL), Crc32cCodec()],
        fill_value=spec.fill_value,
        dimension_names=spec.dims,
        attributes=dict(attrs or {}),
        zarr_format=3,
        # Else chunks that hold nothing but the fill value are left out, and look lost.
        config={"write_empty_chunks": True},
    )


def consolidated(metadata: Mapping[str, bytes]) -> bytes:
    """The root's zarr.json with those of all arrays in it, from all of them by their paths.

    As zarr consolidates them, but without its warning, which no filter takes back in other threads:
    format 3 does not specify it yet. A reader that does not know it passes over it.
    """
    documents = {
        name.removesuffix(METADATA).rstrip("/"): json.loads(data)
        for name, data in sorted(metadata.items())
    }
    root = documents.pop("")
    root[CONSOLIDATED] = {"kind": "inline", "must_understand": False, "metadata": documents}
    return json.dumps(root).encode()


def seal(metadata: bytes, *, part: str = "attributes") -> bytes:
    """Add to a zarr.json the checksum of all that it says, in that part of it."""
    document = json.loads(metadata)
    document[part].pop(SEAL, None)
    document[part][SEAL] = _digest(document)
    return json.dumps(document).encode()


def content_id(attributes: Mapping[str, Any]) -> str:
    """A text that is the same for stores of the same content.

    Another release of Zstandard may compress it to other chunks.
    """
    return _digest({k: v for k, v in attributes.items() if k not in {SEAL, CHECKSUMS}})


def source_sha256(metadata: bytes) -> str | None:
    """The SHA-256 of the archive that a root's zarr.json says its store was built of."""
    try:
        return str(json.loads(metadata)["attributes"]["source_sha256"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def is_sealed(metadata: bytes, *, part: str = "attributes") -> bool:
    """Whether a zarr.json has its checksum, and still says what it was sealed over."""
    try:
        document = json.loads(metadata)
        return bool(document[part].pop(SEAL) == _digest(document))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
