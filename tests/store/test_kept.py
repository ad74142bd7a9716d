from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aa1xr.store.kept import Kept


@pytest.fixture
def kept(monkeypatch):
    monkeypatch.setattr(Kept, "most", 100)
    return Kept()


def array(value, size=40):
    return np.full(size, value, np.uint8)


def test_kept__those_used_longest_ago_go(kept):
    for key in "ab":
        kept.put(key, array(ord(key)))
    assert kept.get("a") is not None  # so "b" was used longest ago
    kept.put("c", array(3))
    assert kept.get("b") is None
    assert [kept.get(key)[0] for key in "ac"] == [ord("a"), 3]


def test_kept__an_array_in_the_place_of_another_counts_once(kept):
    for _ in range(5):
        kept.put("a", array(1))
    kept.put("b", array(2))
    assert kept.get("a") is not None
    assert kept.get("b") is not None


def test_kept__one_that_is_too_large_is_not_kept(kept):
    assert kept.put("a", array(1, 101)).size == 101
    assert kept.get("a") is None


def test_kept__cannot_be_changed(kept):
    with pytest.raises(ValueError, match="read-only"):
        kept.put("a", array(1))[0] = 2
    with pytest.raises(ValueError, match="read-only"):
        kept.get("a")[0] = 2


def test_mark__another_forgets_all(kept):
    kept.mark(1)
    kept.put("a", array(1, 100))
    kept.mark(1)
    assert kept.get("a") is not None
    kept.mark(2)
    assert kept.get("a") is None
    kept.put("b", array(1, 100))  # there is room for it
    assert kept.get("b") is not None


def test_kept__threads_get_what_was_put_under_a_key(kept):
    def use(seed):
        rng = np.random.default_rng(seed)
        for key in rng.integers(0, 9, 2000).tolist():
            found = kept.get(key)
            if found is None:
                found = kept.put(key, array(key, 10 + key))
            assert found.tolist() == [key] * (10 + key)
            if key == 8:
                kept.mark(int(rng.integers(3)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(8)))
    kept.put("last", array(0, 100))
    assert [kept.get(key) for key in range(9)] == [None] * 9
