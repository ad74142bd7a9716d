"""All units are those that pint parses."""

import numpy as np
import pytest
import xarray as xr

import aa1xr

pint = pytest.importorskip("pint")


@pytest.fixture(scope="module")
def made(sample_archive) -> dict[str, xr.Dataset]:
    """What the functions give that give Datasets."""
    ds = aa1xr.open_sample()
    train, validation, test = aa1xr.split(ds)
    fit = aa1xr.strf(ds, train=train, validation=validation)
    prediction = aa1xr.predict(ds.sel(stimulus=test), fit)
    return {
        "open": ds,
        "open, decibels": aa1xr.open(ds.encoding["source"], compression="db"),
        "events": aa1xr.events(ds),
        "psth": aa1xr.psth(ds).to_dataset(name="psth"),
        "spike_counts": aa1xr.spike_counts(ds).to_dataset(name="spikes"),
        "quality": aa1xr.quality(ds),
        "dprime": aa1xr.dprime(ds.sel(type="flatrip"), ds.sel(type="conspecific")).to_dataset(
            name="dprime"
        ),
        "responsiveness": aa1xr.responsiveness(ds),
        "strf": fit,
        "tuning": aa1xr.tuning(fit),
        "modulation_spectrum": aa1xr.modulation_spectrum(ds).to_dataset(),
        "modulation_spectrum, octaves, decibels": aa1xr.modulation_spectrum(
            aa1xr.open(ds.encoding["source"], compression="db"), scale="octaves"
        ).to_dataset(),
        "modulation_spectrum of fields": aa1xr.modulation_spectrum(fit).to_dataset(),
        "predict": prediction.to_dataset(name="prediction"),
        "score": aa1xr.score(ds, prediction),
        "coherence": aa1xr.coherence(ds, prediction),
    }


def test_units__are_parsed(made):
    registry = pint.UnitRegistry()
    for name, ds in made.items():
        for variable in ds.variables:
            units = ds[variable].attrs.get("units")
            if units is not None and np.issubdtype(ds[variable].dtype, np.number):
                assert registry.parse_units(units) is not None, (name, variable)


def test_units__of_counts_and_rates(made):
    registry = pint.UnitRegistry()
    ds = made["open"]
    assert registry(ds.psth.units).check("1/[time]")
    assert registry(ds.spikes.units).dimensionless
    assert registry(ds.psth.units) * registry(ds.time.units) == registry(ds.spikes.units)
