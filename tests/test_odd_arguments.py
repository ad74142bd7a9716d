"""Every argument of every public function is given what nobody means."""

import itertools
import os
import traceback
import warnings
from pathlib import Path

import pytest

import aa1xr
from tests.odd_values import ODD, Calls

#: Data, of which `stress/misuse/datasets.py` has a table; and functions of the user.
ELSEWHERE = {
    "ds", "da", "other", "data", "scores", "strfs", "fit", "prediction", "response", "obj", "truth",
    "protocol", "function", "results", "stats_from", "source", "labels",
}  # fmt: skip
#: Values that are right for some arguments, and then take long: nothing is to be learned of them.
LONG = {"open_sample": {"data_dir"}, "simulate_archive": {"path", "seed"}, "run": {"path"},
        "bootstrap": {"seed"}}  # fmt: skip
#: Optional packages, checked before the arguments.
OPTIONAL = {"to_torch": "torch", "to_deepstrf": "torch", "to_nwb": "pynwb"}

REFUSED = (ValueError, TypeError, LookupError, OSError)
OURS = Path(aa1xr.__file__).parent


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    return Calls(tmp_path_factory.mktemp("odd"))


def _fault(calls: Calls, name: str, argument: str, what: str) -> str:
    """What is wrong with how a function takes a value; "" if it works or is refused properly."""
    try:
        calls.call(name, argument, ODD[what]())
    except REFUSED as error:
        place = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
        text = str(error)
        # The system names the file, and Python's own classes of errors are no fault of ours.
        known = OURS in place.parents or (isinstance(error, OSError) and error.filename)
        if not known or len(text) > 4000 or (type(error) in (IndexError, UnicodeError)):
            return f"{name}({argument}={what}): {type(error).__name__}: {text[:200]} [{place}]"
        if argument not in text and isinstance(error, TypeError):
            return f"{name}({argument}={what}) does not name it: {text[:200]}"
    except Exception as error:  # noqa: BLE001 - any other is what is looked for
        return f"{name}({argument}={what}): {type(error).__name__}: {str(error)[:200]}"
    return ""


def test_arguments__are_taken_or_refused_in_our_words(calls, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(calls.work)
    monkeypatch.setenv("AA1XR_DATA_DIR", str(calls.data_dir))
    # Turned from argument to argument, so that a few for each are all of them in the end.
    n = len(ODD) if os.environ.get("AA1XR_HYPOTHESIS") == "deep" else 4
    first = 0
    faults = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, argument in calls.rows():
            if argument in ELSEWHERE or argument in LONG.get(name, ()) or name in OPTIONAL:
                continue
            tried, first = itertools.islice(itertools.cycle(ODD), first, first + n), first + n
            faults += [fault for what in tried if (fault := _fault(calls, name, argument, what))]
            plt.close("all")
    assert not faults, "\n".join(faults)
