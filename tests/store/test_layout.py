import json

import pytest
import zarr
from zarr.storage import MemoryStore

from aa1xr.store.layout import METADATA, SEAL, consolidated, is_sealed, seal

DOCUMENT = {"zarr_format": 3, "attributes": {"a": 1, "b": [1.5, None]}, "shape": [2, 3]}


@pytest.mark.filterwarnings("ignore:Consolidated metadata is currently not part")
def test_consolidated__as_zarr_does_it():
    files = {}
    group = zarr.create_group(MemoryStore(files), attributes={"a": 1})
    group.create_array("y", shape=(2,), dtype="int32", dimension_names=["d"])
    group.create_array("x", shape=(3, 4), dtype="float32")
    ours = consolidated({name: data.to_bytes() for name, data in files.items()})
    zarr.consolidate_metadata(group.store)
    assert json.loads(ours) == json.loads(files[METADATA].to_bytes())


def test_seal__says_all_that_was_said():
    sealed = json.loads(seal(json.dumps(DOCUMENT).encode()))
    assert len(sealed["attributes"].pop(SEAL)) == 64
    assert sealed == DOCUMENT


def test_seal__again_after_a_change():
    document = json.loads(seal(json.dumps(DOCUMENT).encode()))
    document["attributes"]["a"] = 2
    changed = json.dumps(document).encode()
    assert not is_sealed(changed)
    assert is_sealed(seal(changed))


def test_is_sealed__the_order_and_spacing_say_nothing():
    document = json.loads(seal(json.dumps(DOCUMENT).encode()))
    assert is_sealed(json.dumps(dict(reversed(document.items())), indent=2).encode())


@pytest.mark.parametrize(
    "metadata",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b"\xff",
        b"{}",
        b'{"attributes": null}',
        b'{"attributes": {}}',
    ],
)
def test_is_sealed__foreign_metadata(metadata):
    assert not is_sealed(metadata)


def test_is_sealed__any_flipped_bit_is_seen():
    sealed = seal(json.dumps(DOCUMENT).encode())
    meaning = json.loads(sealed)
    for position in range(len(sealed)):
        for bit in range(8):
            damaged = bytearray(sealed)
            damaged[position] ^= 1 << bit
            # A change of spelling that changes no meaning may pass.
            assert not is_sealed(bytes(damaged)) or json.loads(damaged) == meaning
