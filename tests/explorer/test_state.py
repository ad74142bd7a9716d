"""What is selected, in the URL and as Python: round trips, and whatever a URL may say."""

from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aa1xr.explorer.state import (
    BIN_WIDTHS,
    MOST_MS,
    MOST_NEURONS,
    SMOOTHING,
    Choices,
    State,
    first_state,
    read_query,
)

NAMES = ("a_1_B", "<b>&=#?", "naïve +%20", "d")
CHOICES = Choices(
    neurons=(*NAMES, "e"),
    stimuli=("conspecific-00", "x&y=<i>"),
    n_trials=15,
    measures=("ccmax", "rate_driven"),
)
TRIALS = st.tuples(st.integers(0, 14), st.integers(0, 14)).map(lambda ends: tuple(sorted(ends)))

STATES = st.builds(
    State,
    neurons=st.lists(
        st.sampled_from(CHOICES.neurons), min_size=1, max_size=MOST_NEURONS, unique=True
    ).map(tuple),
    stimulus=st.sampled_from(CHOICES.stimuli),
    dt_ms=st.sampled_from(BIN_WIDTHS),
    smooth_ms=st.sampled_from(SMOOTHING),
    before_ms=st.integers(0, MOST_MS),
    after_ms=st.integers(0, MOST_MS),
    trials=st.none() | TRIALS.filter(lambda ends: ends != (0, 14)),
    sort=st.sampled_from(CHOICES.measures),
    strf=st.booleans(),
)


@given(STATES)
def test_query__comes_back(state):
    assert read_query("?" + state.to_query(), CHOICES) == (state, [])


@given(
    st.text() | st.lists(st.sampled_from(["neuron", "dt_ms", "&", "=", "%", "-", "9"])).map("".join)
)
def test_query__any_text_is_a_state(text):
    state, problems = read_query(text, CHOICES)
    assert read_query(state.to_query(), CHOICES) == (state, [])
    assert all(problem.isprintable() for problem in problems)


BAD = [
    ("neuron=nope", "neuron: there is no 'nope'"),
    ("neuron=%00%1b[2J", "there is no '.x00.x1b"),
    (urlencode([("neuron", name) for name in CHOICES.neurons]), "at most 4 are shown; got 5"),
    ("stimulus=nope", "stimulus='nope' must be one of the 2 stimuli"),
    ("stimulus=x&stimulus=y", "stimulus='x' must be given once"),
    ("dt_ms=3", "dt_ms='3' must be one of 1, 2, 5"),
    ("dt_ms=nan", "must be one of"),
    ("smooth_ms=x", "smooth_ms='x' must be one of 0, 11"),
    ("before_ms=-5", "before_ms='-5' must be a whole number from 0 to 2000"),
    ("after_ms=99999999999999", "must be a whole number"),
    ("after_ms=٣", "must be a whole number"),
    ("trials=3", "trials='3' must be FIRST-LAST, from 0 to 14"),
    ("trials=4-3", "must be FIRST-LAST"),
    ("trials=0-15", "must be FIRST-LAST"),
    ("sort=name", "sort='name' must be one of ccmax, rate_driven"),
    ("strf=yes", "must be 0 or 1"),
    ("colour=red", "'colour': there is no such option"),
    ("a=1&" * 51, "at most 50 parts"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "problem"), BAD)
def test_query__says_what_is_wrong_and_goes_on(query, problem):
    state, (said,) = read_query(query, CHOICES)
    assert problem.replace(".x", "\\x") in said
    assert state == first_state(CHOICES) or len(state.neurons) == MOST_NEURONS


def test_query__keeps_what_is_right():
    state, problems = read_query("?theme=dark&dt_ms=7&neuron=d&neuron=nope&trials=0-14", CHOICES)
    assert state == replace(first_state(CHOICES), neurons=("d",))
    assert len(problems) == 2


def test_python__quotes_names():
    state = State(neurons=("it's",), stimulus='"', trials=(2, 4))
    code = state.to_python("it's.zarr")
    compile(code, "page", "exec")
    assert "take_trials(slice(2, 5))" in code
    assert len(code.splitlines()) == 2
