"""Hold what a store says against the layout.

A seal shows that a store is as it was sealed, not who sealed it. So a store is read as an archive
is: what was never recorded, and what would take the memory of the machine, is refused first.
Every check raises ValueError; the reader adds the place and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from aa1xr.archive.contents import Contents
from aa1xr.archive.parse import HIGHEST_RATE, MOST_TRIALS
from aa1xr.archive.read import MOST_SAMPLES, MOST_SPIKES
from aa1xr.arguments import shown
from aa1xr.printable import printable
from aa1xr.schema import AREAS, TYPES
from aa1xr.store.chunks import CHECKSUMS, check_listed
from aa1xr.store.layout import (
    ADDED_NAME,
    ARRAYS,
    CONSOLIDATED,
    DIGESTS,
    MOST_LABELS,
    MOST_PRESENTATIONS,
    ZSTD_LEVEL,
    Array,
    added_array,
)

#: Of a label, in bytes: the longest name of a file or folder.
LONGEST_LABEL = 255
#: Bands of a cached spectrogram; `n_mels` or `n_bands` is at most as large.
_MOST_BANDS = 100_000
#: Bytes of the spectrogram of one stimulus that is cached; AA1's have 0.2 MB at 5 ms.
LARGEST_ADDED = 2**26

_MOST = {
    "neuron": MOST_LABELS,
    "stimulus": MOST_LABELS,
    "trial": MOST_TRIALS,
    "sample": MOST_SAMPLES,
    "spike": MOST_PRESENTATIONS * MOST_SPIKES,
    "freq": _MOST_BANDS,
    "time": MOST_SAMPLES,
}
#: Arrays of lengths: along which dimension, and the least and the most of each.
_LENGTHS = {"n_samples": ("sample", 1, MOST_SAMPLES), "n_spikes": ("spike", 0, MOST_SPIKES)}
#: What may stand in the metadata of an array.
_KEYS = {
    "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs", "attributes",
    "dimension_names", "zarr_format", "node_type", "storage_transformers",
}  # fmt: skip


def check_attributes(attrs: Mapping[str, Any]) -> None:
    """Check the attributes of the root by type and bounds."""
    rate, simulation = attrs.get("sample_rate"), attrs.get("simulation")
    digests = attrs.get(DIGESTS)
    checks = {
        "aa1xr_version": _is_text(attrs.get("aa1xr_version")),
        "source": _is_text(attrs.get("source")),
        "source_sha256": _is_sha256(attrs.get("source_sha256")),
        "sample_rate": type(rate) is int and 0 < rate <= HIGHEST_RATE,
        "simulation": simulation is None
        or (isinstance(simulation, dict) and all(type(n) is int for n in simulation.values())),
        DIGESTS: isinstance(digests, dict)
        and digests.keys() == ARRAYS.keys()
        and all(map(_is_sha256, digests.values())),
    }
    for name, fits in checks.items():
        if not fits:
            raise ValueError(
                f"its attribute {name!r} must be as aa1xr writes it; got {shown(attrs.get(name))}"
            )
    Contents.of_attrs(attrs)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1000


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def check_arrays(document: Mapping[str, Any]) -> dict[str, int]:
    """Check the metadata of all arrays of a store, and give the length of each dimension."""
    group = document.get("node_type"), document.get("zarr_format")
    if group != ("group", 3):
        raise ValueError(f"it must be a group of Zarr format 3; got {printable(group)}")
    found = document.get(CONSOLIDATED)
    found = found.get("metadata") if isinstance(found, dict) else None
    if not isinstance(found, dict) or found.keys() != ARRAYS.keys():
        have = printable(sorted(map(str, found)) if isinstance(found, dict) else found)
        raise ValueError(f"it must have the metadata of the arrays {', '.join(ARRAYS)}; got {have}")
    sizes: dict[str, int] = {}
    for name, spec in sorted(ARRAYS.items(), key=lambda item: len(item[1].dims)):
        check_array(name, found[name], spec, sizes)
    for dim in ("neuron", "stimulus", "sample"):
        if sizes[dim] == 0:
            raise ValueError(f"it must have data; got none along {dim}")
    n = prod(sizes[dim] for dim in ("neuron", "stimulus", "trial"))
    if n > MOST_PRESENTATIONS:
        raise ValueError(f"it must have at most {MOST_PRESENTATIONS} presentations; got {n}")
    return sizes


def check_checksums(attrs: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
    """Check that the attributes of the root list a checksum for each chunk."""
    found = attrs.get(CHECKSUMS)
    if not isinstance(found, dict) or found.keys() != ARRAYS.keys():
        raise ValueError(f"its attribute {CHECKSUMS!r} must list all arrays; got {shown(found)}")
    for name, spec in ARRAYS.items():
        shape = tuple(sizes[dim] for dim in spec.dims)
        check_listed(name, found[name], shape, spec.chunk_shape(shape))


def check_added(
    name: str, document: Any, sizes: Mapping[str, int], n_samples: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """The metadata of a cached spectrogram, whose attributes give its shape."""
    attrs = document.get("attributes") if isinstance(document, dict) else None
    attrs = attrs if isinstance(attrs, dict) else {}
    bands, hop = attrs.get("n_mels", attrs.get("n_bands")), attrs.get("hop")
    if ADDED_NAME.fullmatch(name) is None or not (type(bands) is type(hop) is int):
        raise ValueError(f"{printable(name)} must be a cached spectrogram and say its bands, hop")
    if not (0 < bands <= _MOST_BANDS and 0 < hop <= MOST_SAMPLES):
        raise ValueError(f"{name}: bands and hop must be within bounds; got {bands} and {hop}")
    shape = sizes["stimulus"], bands, int(-(-n_samples.max() // hop))
    if (size := 4 * prod(shape[1:])) > LARGEST_ADDED:
        raise ValueError(f"{name}: must have at most {LARGEST_ADDED} bytes a stimulus; got {size}")
    spec = added_array(shape)
    check_listed(name, attrs.get(CHECKSUMS), shape, spec.chunk_shape(shape))
    expected = dict(zip(spec.dims, shape, strict=True))
    return check_array(name, document, spec, expected)


def check_array(name: str, document: Any, spec: Array, sizes: dict[str, int]) -> dict[str, Any]:
    """The metadata of an array as aa1xr writes them, of those that were found.

    `sizes` has the length of each dimension that is known; others are added.
    """
    if not isinstance(document, dict) or not document.keys() <= _KEYS:
        raise ValueError(f"{name}: its metadata must be those of an array; got {shown(document)}")
    shape = document.get("shape")
    if not isinstance(shape, list) or len(shape) != len(spec.dims):
        raise ValueError(f"{name}: its shape must be along {spec.dims}; got {shown(shape)}")
    for dim, size in zip(spec.dims, shape, strict=True):
        if type(size) is not int or not 0 <= size <= _MOST[dim]:
            raise ValueError(f"{name}: must have 0 to {_MOST[dim]} along {dim}; got {shown(size)}")
        if sizes.setdefault(dim, size) != size:
            raise ValueError(f"{name}: must have {sizes[dim]} along {dim}; got {size}")
    expected = metadata_of(spec, tuple(shape))
    for key, value in expected.items():
        found = document.get(key, [] if key == "storage_transformers" else None)
        if (_decoding(found) != _decoding(value)) if key == "codecs" else (found != value):
            raise ValueError(f"{name}: its {key} must be {value}; got {shown(found)}")
    attrs = document.get("attributes", {})
    if not isinstance(attrs, dict):
        raise ValueError(f"{name}: its attributes must be an object; got {shown(attrs)}")  # noqa: TRY004
    # Not what was found: 1.0 and true are equal to 1, and zarr trips over them.
    return {**expected, "attributes": attrs}


def metadata_of(spec: Array, shape: tuple[int, ...]) -> dict[str, Any]:
    """What zarr.json says of an array of the layout, but for its attributes."""
    strings = spec.dtype == "str"
    serializer: dict[str, Any] = (
        {"name": "vlen-utf8", "configuration": {}}
        if strings
        else {"name": "bytes", "configuration": {"endian": "little"}}
    )
    zstd = {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}}
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": "string" if strings else spec.dtype,
        "chunk_grid": {
            "name": "regular",
            "configuration": {"chunk_shape": list(spec.chunk_shape(shape))},
        },
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN" if spec.dtype == "float32" else spec.fill_value,
        "codecs": [serializer, zstd, {"name": "crc32c"}],
        "dimension_names": list(spec.dims),
        "storage_transformers": [],
    }


def _decoding(codecs: Any) -> Any:
    """Codecs without what only writing needs."""
    if not isinstance(codecs, list):
        return codecs
    out = []
    for codec in codecs:
        found = {"name": codec} if isinstance(codec, str) else codec
        if isinstance(found, dict) and found.get("name") in ("zstd", "crc32c", "vlen-utf8"):
            found = {"name": found["name"]}
        out.append(found)
    return out


def check_labels(
    texts: Mapping[str, npt.NDArray[Any]], cells: Iterable[tuple[str, int, str]]
) -> None:
    """Check the labels that are strings, and the parts of the id of each neuron."""
    for name, allowed in (("area", AREAS), ("type", TYPES)):
        if unknown := set(texts[name].tolist()).difference(allowed):
            raise ValueError(f"{name} must be of {allowed}; got {shown(unknown.pop())}")
    stimuli = list(zip(texts["type"].tolist(), map(str.lower, texts["name"].tolist()), strict=True))
    for _, name in stimuli:
        if re.fullmatch(r"[0-9a-f]{32}\.wav", name) is None:
            raise ValueError(f"name must be an MD5 and .wav; got {shown(name)}")
    names = [(animal.lower(), seq, rig.lower()) for animal, seq, rig in cells]
    for what, each in (("neuron", names), ("stimulus", stimuli)):
        if len(set(each)) != len(each):
            raise ValueError(f"each {what} must be there once; some are there more often")


def check_lengths(name: str, lengths: npt.NDArray[np.int64], sizes: Mapping[str, int]) -> None:
    """Check the lengths of parts that lie end to end, and that they make the whole."""
    dim, least, most = _LENGTHS[name]
    if lengths.min() < least or lengths.max() > most:
        raise ValueError(
            f"{name} must be {least} to {most}; got {lengths.min()} to {lengths.max()}"
        )
    if (total := int(lengths.sum())) != sizes[dim]:
        raise ValueError(f"{name} must add up to the {sizes[dim]} {dim}s; got {total}")


def check_trials(n_trials: npt.NDArray[np.int32], trials: int) -> None:
    """Check the numbers of trials."""
    if n_trials.min() < 0 or n_trials.max() > trials:
        raise ValueError(f"n_trials must be 0 to {trials}; got {n_trials.min()}, {n_trials.max()}")


def check_rows(
    row_size: npt.NDArray[np.int32],
    n_trials: npt.NDArray[np.int32],
    n_spikes: npt.NDArray[np.int64],
) -> None:
    """Check that trials that were presented, and no others, have the spikes of each neuron."""
    trials = row_size.shape[2]
    if row_size.min(initial=0) < 0:
        raise ValueError(f"row_size must be at least 0; got {row_size.min()}")
    if row_size[np.arange(trials) >= n_trials[..., np.newaxis]].any():
        raise ValueError("row_size must be 0 where there was no trial; it is not")
    if not np.array_equal(row_size.sum((1, 2), dtype=np.int64), n_spikes):
        raise ValueError("row_size must add up to n_spikes for each neuron; it does not")
