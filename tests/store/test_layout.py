import json

import pytest

from aa1xr.store.layout import SEAL, is_sealed, seal

DOCUMENT = {"zarr_format": 3, "attributes": {"a": 1, "b": [1.5, None]}, "shape": [2, 3]}


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
