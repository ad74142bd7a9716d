import pytest

from aa1xr import StoreError
from aa1xr.archive.contents import Contents, origin


def partial(missing=("cell a1_1 (MLd)",), different=()):
    found, known = {"cells": 1}, {"cells": 2}
    return Contents("aa1", found, known, list(missing), list(different), [])


def test_origin__simulations_known_names_and_others():
    cell, sound = ("MLd", "gg0304_4_A"), ("conspecific", "058767E725C83836F405A97FD7D1E751.wav")
    other = ("MLd", "zz1_1"), ("conspecific", f"{'0' * 32}.wav")
    assert origin([cell], [sound], {}) == "simulated"
    assert origin([other[0], cell], [other[1]], None) == "aa1"
    assert origin([other[0]], [other[1], sound], None) == "aa1"
    assert origin([other[0]], [(sound[0], sound[1].lower())], None) == "aa1"
    assert origin([other[0]], [other[1]], None) == "other"
    # Neither another area nor another type makes a known one.
    assert origin([("Field_L", cell[1])], [("flatrip", sound[1])], None) == "other"


def test_contents__a_store_gives_back_what_it_was_given():
    contents = partial()
    assert Contents.of_attrs(contents.as_attrs()) == contents


def test_warning__lists_what_is_missing_up_to_a_length():
    text = partial([f"cell a{n}_1 (MLd)" for n in range(50)], ["cell b1_1 (MLd)"]).warning("x.zip")
    assert text.startswith("x.zip is part of CRCNS AA1 (1 of 2 cells).")
    assert "Missing: cell a0_1 (MLd); " in text
    assert "; and 42 more." in text
    assert "Different from the published data: cell b1_1 (MLd)." in text
    assert "ds.attrs['missing'], ds.attrs['different']" in text
    assert len(text) < 1000


def test_warning__none_where_nothing_is_missing():
    assert Contents("aa1", additional=["cell z1_1 (MLd)"]).warning("x.zip") is None
    assert Contents("other").warning("x.zip") is None


@pytest.mark.parametrize(
    "attrs",
    [
        {},
        {"contents": None},
        {"contents": {}},
        {"contents": {"origin": "mine"}},
        {"contents": {"origin": "aa1", "wrong": 1}},
        {"contents": {"origin": "aa1", "missing": [1]}},
        {"contents": {"origin": "aa1", "missing": ["\x1b[2J"]}},
        {"contents": {"origin": "aa1", "missing": ["x" * 1001]}},
        {"contents": {"origin": "aa1", "missing": ["x"] * 302}},
        {"contents": {"origin": "aa1", "missing": "cell a1_1 (MLd)"}},
        {"contents": {"origin": "aa1", "additional": "cell a1_1 (MLd)"}},
        {"contents": {"origin": "aa1", "missing": "x", "different": "x", "additional": "x"}},
        {"contents": {"origin": "aa1", "missing": {"x": 1}}},
        {"contents": {"origin": ["aa1"]}},
        {"contents": {"origin": "aa1", "found": {"cells": -1}, "known": {"cells": 1}}},
        {"contents": {"origin": "aa1", "found": {"cells": 1}, "known": {"cells": 10**30}}},
        {"contents": {"origin": "aa1", "found": {"cells": True}, "known": {"cells": 1}}},
        {"contents": {"origin": "aa1", "found": [], "known": []}},
        {"contents": "aa1"},
        {"contents": {"origin": "aa1", "found": {"cells": "1"}, "known": {"cells": 1}}},
        {"contents": {"origin": "aa1", "found": {}, "known": {"cells": 1}}},
    ],
)
def test_of_attrs__refuses_what_is_not_one(attrs):
    with pytest.raises(StoreError, match="do not say what it holds; build it again"):
        Contents.of_attrs(attrs)
