"""Read a store, checking all that is read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore, StorePath

from aa1xr.arguments import shown
from aa1xr.atomic import atomic_write, discard, is_leftover
from aa1xr.errors import DataNotFoundError, StoreError
from aa1xr.printable import one_line
from aa1xr.schema import fixed_width, parse_cell_id
from aa1xr.store import validate
from aa1xr.store.chunks import CHECKSUM, CHECKSUMS, check_chunks, chunk_keys
from aa1xr.store.connection import Connection, parse
from aa1xr.store.kept import Kept
from aa1xr.store.layout import (
    ARRAYS,
    CONSOLIDATED,
    DERIVED_FROM,
    DIGESTS,
    FORMAT_VERSION,
    METADATA,
    SEAL,
    Digest,
    added_array,
    content_id,
    create_array,
    find_stranger,
    is_sealed,
    seal,
)
from aa1xr.store.location import Location, describe, is_path

_ONLY_STORES = (
    "At URLs only stores are read: if it is an archive, download it, and open the copy on this "
    "machine; aa1xr.copy_store puts its store at a URL."
)
_REBUILD = (
    "`aa1xr verify` checks all of a store. If it was built here, build it again from the archive: "
    "aa1xr.open(archive, rebuild=True), or `aa1xr build --rebuild`. If it was copied, or is read "
    "over a network: compare it with its source, and copy that again."
)
_FOREIGN = (
    "Its checksum is right, so it was made so, and not by aa1xr: do not use it. Build a store from "
    "the archive: aa1xr.open(archive)"
)
_DERIVE_AGAIN = "It is a cache: remove this folder of the store, and it is computed again."

#: Chunks of one array that are kept when they are read together: AA1 has 11 of spikes.
_MOST_CHUNKS = 16
#: Seconds after which a store that is not on this machine is looked at again: it is a request.
_LOOK_AGAIN = 10

#: Stores that this process opened, by their URL and by the SHA-256 of what they were built of: a
#: Dataset in memory has no more than these.
_OPENED: dict[str, tuple[Location, dict[str, Any], str | None]] = {}


@dataclass(frozen=True, eq=False)
class Labels:
    """What there is in a store, but for the spikes and the waveforms themselves."""

    neuron: npt.NDArray[Any]
    animal_id: npt.NDArray[Any]
    cell_seq: npt.NDArray[np.int64]
    rig: npt.NDArray[Any]
    area: npt.NDArray[Any]
    name: npt.NDArray[Any]
    type: npt.NDArray[Any]
    n_samples: npt.NDArray[np.int64]
    n_trials: int  #: the most that any stimulus has
    sample_rate: int


class Store(Connection):
    """A store of aa1xr at a place; nothing is read before it is asked for.

    No damaged byte becomes data: reading raises StoreError if it is damaged, foreign or of another
    format, and DataNotFoundError if there is none.
    """

    _looked: bytes | None = None
    _next_look = 0.0

    @cached_property
    def kept(self) -> Kept:
        """Chunks that were read and checked."""
        return Kept()

    @cached_property
    def root(self) -> dict[str, Any]:
        """The metadata of the root, whose checksum is right and which are as aa1xr writes them."""
        metadata = self._get_root()
        if metadata is None:
            raise DataNotFoundError(
                f"{self.url}: no store there (it has no {METADATA}). Check the name. "
                f"{_REBUILD if is_path(self.place) else _ONLY_STORES}"
            )
        document = parse(metadata)
        attributes = document.get("attributes")
        if not isinstance(attributes, dict) or SEAL not in attributes:
            raise StoreError(
                f"{self.url}: not a store of aa1xr (its {METADATA} begins with {metadata[:40]!r}). "
                "If aa1xr.save or xarray wrote it, aa1xr.load opens it. If it was a store of "
                f"aa1xr: {_REBUILD}"
            )
        if not is_sealed(metadata):
            raise StoreError(
                f"{self.url}: damaged: the checksum of its {METADATA} does not match. {_REBUILD}"
            )
        if type(found := attributes.get("format_version")) is not int or found != FORMAT_VERSION:
            what_to_do = (
                "a newer aa1xr reads it: update aa1xr"
                if isinstance(found, int) and found > FORMAT_VERSION
                else f"an older aa1xr built it. {_REBUILD}"
            )
            raise StoreError(
                f"{self.url}: of store format {shown(found)}; this aa1xr reads format "
                f"{FORMAT_VERSION}; {what_to_do}"
            )
        self.recognize(content_id(attributes), "store")
        with self._held_against_the_layout():
            validate.check_attributes(attributes)
            self._sizes = validate.check_arrays(document)
            self._documents = document[CONSOLIDATED]["metadata"]
            validate.check_checksums(attributes, self._sizes)
        if len(_OPENED) >= 64:
            _OPENED.clear()
        for key in (self.url, str(attributes.get("source_sha256"))):
            _OPENED[key] = self.place, self.storage_options, self.identity
        return {"attributes": attributes}

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each dimension of the layout."""
        _ = self.root
        return self._sizes

    @property
    def attrs(self) -> dict[str, Any]:
        """Where the store came from."""
        return dict(self.root["attributes"])

    def make_array(self, name: str) -> zarr.Array[Any]:
        """An array that it was built with."""
        spec = ARRAYS[name]
        document = validate.metadata_of(spec, tuple(self.sizes[dim] for dim in spec.dims))
        checksums = self.root["attributes"][CHECKSUMS][name]
        return self._make_array(name, {**document, "attributes": {}}, spec.dtype, checksums)

    def _make_array(
        self, path: str, document: dict[str, Any], dtype: str, checksums: str
    ) -> zarr.Array[Any]:
        # A string has its length before it, and so has their list.
        size = 4 + validate.LONGEST_LABEL if dtype == "str" else np.dtype(dtype).itemsize
        limit = 4 + size * prod(document["chunk_grid"]["configuration"]["chunk_shape"])
        array = zarr.Array.from_dict(StorePath(self.zarr_store, path), document)
        return check_chunks(
            array,
            self.zarr_store,
            limit=limit,
            checksums=checksums,
            ranged=isinstance(self.place, str),
        )

    @contextmanager
    def _held_against_the_layout(self, advice: str = _FOREIGN) -> Iterator[None]:
        """Say where something is that is not as the layout has it, and what to do."""
        try:
            yield
        except StoreError as error:
            if self.url in str(error):
                raise
            raise StoreError(f"{self.url}: {error}") from error
        except ValueError as error:
            raise StoreError(f"{self.url}: {error}. {advice}") from error

    def read(self, name: str, selection: Any = ...) -> npt.NDArray[Any]:
        """The values of an array of the store, all or a basic selection of them.

        Consecutive spikes are read as `rows`, and cannot be changed.
        """
        if name == "spike_time" and isinstance(selection, slice):
            start, stop, step = selection.indices(self.sizes["spike"])
            if step == 1:
                return self.rows(name, start, max(start, stop))
        return self._checked(self.array(name), selection)

    def rows(self, name: str, start: int, stop: int) -> npt.NDArray[Any]:
        """Some neurons, or spikes, of an array that is chunked along its first axis alone.

        They cannot be changed: the chunks that were used last are kept, since responses that are
        read one after the other lie in one or two of them.
        """
        self._require_same_version()
        kept = self.kept
        kept.mark(self._look())
        size = ARRAYS[name].chunks[0]
        first, after = start // size, max(start // size + 1, -(-stop // size))
        if after - first > _MOST_CHUNKS:  # a pass over many neurons, which do not come again
            return self._read_rows(name, slice(start, stop))
        numbers = range(first, after)
        chunks = {n: chunk for n in numbers if (chunk := kept.get((name, n))) is not None}
        if gone := [n for n in numbers if n not in chunks]:
            # In one read, which is quicker than one for each.
            values = self._read_rows(name, slice(gone[0] * size, (gone[-1] + 1) * size))
            for n in range(gone[0], gone[-1] + 1):
                at = (n - gone[0]) * size
                chunks[n] = kept.put((name, n), values[at : at + size].copy())
        found = [chunks[n] for n in numbers]
        values = found[0] if len(found) == 1 else np.concatenate(found)
        return values[start - first * size : stop - first * size]

    def _look(self) -> Any:
        """What changes when another store comes to this place."""
        if is_path(self.place):
            try:
                found = os.stat(f"{self.place}/{METADATA}")  # noqa: PTH116 - three times a call
            except OSError:
                return None
            return found.st_size, found.st_mtime_ns, found.st_ino
        _ = self.root  # which looks at it
        if monotonic() > self._next_look:
            self._get_root()
        return self._looked

    def _get_root(self) -> bytes | None:
        """The metadata of the root as they are now, which `_look` compares for a while."""
        self._looked, self._next_look = self.get(METADATA), monotonic() + _LOOK_AGAIN
        return self._looked

    def _read_rows(self, name: str, part: slice) -> npt.NDArray[Any]:
        values = self._checked(self.array(name), part)
        if name == "n_trials":
            with self._held_against_the_layout():
                validate.check_trials(values, self.sizes["trial"])
        if name == "row_size":
            n_trials = self.rows("n_trials", part.start, part.start + len(values))
            with self._held_against_the_layout():
                validate.check_rows(values, n_trials, np.diff(self.first_spike)[part])
        return values

    def read_added(
        self, path: str, selection: Any = ..., *, attrs: Mapping[str, Any] | None = None
    ) -> npt.NDArray[Any] | None:
        """The values of an array that `add` put there with these attributes, all or some, or None.

        StoreError or OSError if it cannot be read. It can be derived again: do without it.
        """
        for _ in range(4):
            # A rebuild takes it away; so it may go, and come again, while it is read.
            with suppress(StoreError):
                return self._read_added(path, selection, attrs)
        return self._read_added(path, selection, attrs)

    def _read_added(
        self, path: str, selection: Any, attrs: Mapping[str, Any] | None
    ) -> npt.NDArray[Any] | None:
        array = self._added_array(path, attrs)
        if array is None:
            return None
        values = self._checked(array, selection, _DERIVE_AGAIN)
        if not np.isfinite(values).all():
            raise StoreError(f"{self.url}: {path} must be finite; got NaN or inf. {_DERIVE_AGAIN}")
        return values

    def _added_array(
        self, path: str, attrs: Mapping[str, Any] | None = None
    ) -> zarr.Array[Any] | None:
        metadata = self.get(f"{path}/{METADATA}")
        if metadata is None:
            return None
        if not is_sealed(metadata):
            raise StoreError(f"{self.url}: {path}/{METADATA} is damaged. {_DERIVE_AGAIN}")
        found = parse(metadata)
        with self._held_against_the_layout(_DERIVE_AGAIN):
            document = validate.check_added(path, found, self.sizes, self.n_samples)
            said = dict(document["attributes"])
            del said[SEAL]
            checksums = said.pop(CHECKSUMS)
            if said.pop(DERIVED_FROM, None) != self.attrs[DIGESTS]["waveform"]:
                raise ValueError(f"{path}: it must be of the waveforms of this store; it is not")
            if attrs is not None and said != attrs:
                raise ValueError(f"{path}: its attributes must be {attrs}; got others")
        return self._make_array(path, document, document["data_type"], checksums)

    def add(self, path: str, values: npt.NDArray[np.float32], *, attrs: Mapping[str, Any]) -> None:
        """Keep a spectrogram beside what the store was built with. [shape: (stimulus, freq, time)].

        A reader finds all of it or none, and several processes that add the same do no harm.
        PermissionError for a zarr store of the user's, which may be part of a transaction.
        """
        if (size := values[:1].nbytes) > validate.LARGEST_ADDED:
            raise OSError(
                f"{path}: {size} bytes a stimulus; at most {validate.LARGEST_ADDED} are kept"
            )
        attrs = {**attrs, DERIVED_FROM: self.attrs[DIGESTS]["waveform"]}
        if not isinstance(self.place, str):
            raise PermissionError(f"{self.url}: nothing is added to a zarr store of the user's")
        if not is_path(self.place):
            for key, data in _files(values, attrs):
                self.storage.write_all({f"{path}/{key}": data})
            return
        target = Path(self.place) / path
        if target.is_symlink() or not (target / METADATA).exists():  # what is left of a damaged one
            if (stranger := find_stranger(Path(self.place), path)) is not None:
                raise FileExistsError(
                    f"{one_line(target.parent / stranger)} is not part of a store"
                )
            discard(target, folder=True)
        with suppress(FileExistsError), atomic_write(target) as partial:
            for key, data in _files(values, attrs):
                (partial / key).parent.mkdir(parents=True, exist_ok=True)
                (partial / key).write_bytes(data)

    def added(self) -> list[str] | None:
        """The paths of what `add` put there, or None where the storage does not list it."""
        try:
            found = self.storage.listing()
        except OSError:
            return None
        # What was built is there: its metadata were read. So a listing without it is none.
        if found is None or not found.keys() >= set(self.names()):
            return None
        files = [name.split("/") for name in found]
        names = {file[0] for file in files if file[1:] == [METADATA]}
        return sorted(name for name in names.difference(ARRAYS) if not is_leftover(name))

    def names(self, *, added: Iterable[str] = ()) -> list[str]:
        """The names of all objects it was built with, and of what was added at these paths.

        The metadata say them: no storage has to list anything.
        """
        found = [METADATA]
        for path in [*ARRAYS, *added]:
            array = self.array(path) if path in ARRAYS else self._added_array(path)
            if array is not None:
                found += [f"{path}/{METADATA}", *(f"{path}/{key}" for key in chunk_keys(array))]
        return found

    def check(self) -> list[str]:
        """Read all of it, in small parts, and so verify every checksum, or raise StoreError.

        Returns the names of all arrays; of those added, as far as the storage lists them (`added`).
        """
        self.check_built()
        added = self.added() or []
        for path in added:
            self.check_added(path)
        return [*ARRAYS, *added]

    def check_added(self, path: str) -> bool:
        """Read an array that `add` put there, as `read_added` does, and say whether it is there."""
        array = self._added_array(path)
        rows = array.chunks[0] if array is not None else 1
        return all(
            self.read_added(path, slice(start, start + rows)) is not None
            for start in range(0, self.sizes["stimulus"], rows)
        )

    def check_built(self) -> None:
        """As `check`, but for what was added and can be derived again."""
        _ = self.root
        for name in ARRAYS:
            if parse(self.get(f"{name}/{METADATA}") or b"") != self._documents[name]:
                raise StoreError(
                    f"{self.url}: {name}/{METADATA} is not what the {METADATA} of the root says of "
                    f"it: it is damaged. {_REBUILD}"
                )
        _ = self.labels
        self._read_rows("row_size", slice(0, self.sizes["neuron"]))
        for name in ARRAYS:
            array = self.array(name)
            step = 16 * array.chunks[0]
            digest = Digest()
            for start in range(0, array.shape[0], step):  # from the place, and not as kept
                digest.update(self._checked(array, slice(start, start + step)))
            if digest.hex() != self.attrs[DIGESTS][name]:
                raise StoreError(
                    f"{self.url}: {name} is not what was built, though no chunk of it is damaged: "
                    f"files were exchanged. {_REBUILD}"
                )

    def _checked(
        self, array: zarr.Array[Any], selection: Any, advice: str = _REBUILD
    ) -> npt.NDArray[Any]:
        try:
            return np.asarray(array[selection])
        except OSError:
            raise  # a disk or network that fails is not a damaged store
        except StoreError as error:
            self._require_unchanged()
            raise StoreError(f"{error}. {advice}") from error
        except Exception as error:  # the codecs raise what they like about damaged bytes
            self._require_unchanged()
            raise StoreError(f"{self.url}: {array.path} is damaged ({error}). {advice}") from error

    def _require_unchanged(self) -> None:
        """Say so, if it is not damaged: another store came in its place after it was opened."""
        if is_sealed(metadata := self.get(METADATA) or b""):
            self.recognize(content_id(parse(metadata)["attributes"]), "store")

    @cached_property
    def first_spike(self) -> npt.NDArray[np.int64]:
        """Where each neuron's spikes begin in `spike_time`. [shape: (n_neurons + 1,)]."""
        return np.concatenate([[0], np.cumsum(self._lengths("n_spikes"))])

    @cached_property
    def n_samples(self) -> npt.NDArray[np.int64]:
        """The length of each stimulus. [shape: (n_stimuli,)]."""
        return self._lengths("n_samples")

    def _lengths(self, name: str) -> npt.NDArray[np.int64]:
        lengths = self.read(name)
        with self._held_against_the_layout():
            validate.check_lengths(name, lengths, self.sizes)
        return lengths

    @cached_property
    def labels(self) -> Labels:
        """The labels; all of them are in memory afterwards."""
        strings = ("neuron", "area", "name", "type")
        attrs = self.attrs
        if is_path(self.place):
            texts = [self.read(name) for name in strings]
        else:
            # fsspec makes clients for each thread, 24 MB each on S3: those of this one serve all.
            _ = self.zarr_store
            with ThreadPoolExecutor() as pool:  # on object storage, one wait and not five
                lengths = pool.submit(lambda: self.n_samples)
                texts = list(pool.map(self.read, strings))
                lengths.result()
        found = dict(zip(strings, map(fixed_width, texts), strict=True))
        with self._held_against_the_layout():
            cells = [parse_cell_id(cell) for cell in found["neuron"].tolist()]
            validate.check_labels(found, cells)
        animals, seqs, rigs = map(np.array, zip(*cells, strict=True))
        return Labels(
            **found,
            animal_id=animals,
            cell_seq=seqs,
            rig=rigs,
            n_samples=self.n_samples,
            n_trials=self.sizes["trial"],
            sample_rate=attrs["sample_rate"],
        )


def _files(
    values: npt.NDArray[np.float32], attrs: Mapping[str, Any]
) -> Iterator[tuple[str, bytes]]:
    """The files of an array, its metadata last: without them it is not there."""
    files: dict[str, Any] = {}
    array = create_array(MemoryStore(files), added_array(values.shape), values.shape, attrs=attrs)
    rows = array.chunks[0]
    document = parse(files.pop(METADATA).to_bytes())
    checksums = ""
    for start in range(0, len(values), rows):
        array[start : start + rows] = values[start : start + rows]
        for key in list(files):
            data = files.pop(key).to_bytes()
            checksums += data[-CHECKSUM:].hex()
            yield key, data
    document["attributes"][CHECKSUMS] = checksums
    yield METADATA, seal(json.dumps(document).encode())


def opened_store(key: str) -> Store | None:
    """The store that this process opened last at a URL, or of an archive with this SHA-256."""
    key = describe(key)
    if key not in _OPENED:
        return None
    place, options, identity = _OPENED[key]
    return Store(place, options, identity=identity)
