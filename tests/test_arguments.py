import numpy as np
import pytest
import xarray as xr

from aa1xr import arguments


def test_expect__says_what_it_is_and_what_it_should_be():
    arguments.expect("ds", xr.Dataset(), xr.Dataset)
    with pytest.raises(
        TypeError, match=r"^ds is DataArray; expected a Dataset, such as aa1xr.open"
    ):
        arguments.expect("ds", xr.DataArray(1), xr.Dataset)
    with pytest.raises(TypeError, match=r"da is ndarray; .*ds.psth.copy\(data=values\)"):
        arguments.expect("da", np.zeros(3), xr.DataArray)
    with pytest.raises(TypeError, match="ds is the function len, not called; expected"):
        arguments.expect("ds", len, xr.Dataset)
    with pytest.raises(TypeError, match="fit is NoneType; expected what f gives"):
        arguments.expect("fit", None, xr.Dataset, "what f gives")


def test_atomic_write__takes_what_is_whole():
    assert arguments.check_integer("n", np.int64(3)) == 3
    assert arguments.check_integer("n", -3, None) == -3
    for value in (0, 1.0, True, np.True_, "1", None):
        with pytest.raises(ValueError, match=r"n=.*; expected a whole number, at least 1"):
            arguments.check_integer("n", value)


def test_number__takes_what_is_finite():
    assert arguments.number("ms", np.float32(0.5)) == 0.5
    for value in (True, "1", None, float("nan"), float("-inf"), 1j):
        with pytest.raises(ValueError, match=r"^ms must be a finite number of ms; got"):
            arguments.number("ms", value)


def test_choice__names_those_there_are():
    arguments.choice("by", "a", {"a": 1})
    for value in ("b", ["a"], None):
        with pytest.raises(ValueError, match=r"by=.*; expected one of 'a', 'b c'"):
            arguments.choice("by", value, ("a", "b c"))


def test_names__are_those_in_a_list():
    for value in (["a"], ("a",), np.array(["a"]), xr.DataArray(["a"]), {"a": 1}):
        assert arguments.names("areas", value) == ["a"]
    for value, says in (
        ("a", r"areas is one str; expected a list: \['a'\]"),
        (1, r"areas is one int; expected a list: \[1\]"),
        ([1], "areas has 1 in it; expected a list of names"),
        ([["a"], ["b", "c"]], r"areas has \['a'\] in it"),
    ):
        with pytest.raises(TypeError, match=says):
            arguments.names("areas", value)


def test_path__takes_what_can_be_one(tmp_path):
    assert arguments.path("path", tmp_path) == str(tmp_path)
    for value in (None, 3, b"a", ["a"]):
        with pytest.raises(TypeError, match=r"path is .*; expected a path or URL"):
            arguments.path("path", value)
