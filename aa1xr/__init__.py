"""The CRCNS AA1 recordings as one lazy, labelled `xarray.Dataset`.

>>> ds = aa1xr.open_sample(dt_ms=5)  # simulated; aa1xr.open(dt_ms=5) once you have the data
>>> ds.psth.sel(area="MLd", type="conspecific").mean("neuron").dims
('stimulus', 'time')
"""

import lazy_loader

from aa1xr.registration import register_accessors
from aa1xr.version import VERSION

__version__ = VERSION

# What is public is in __init__.pyi, and imported when it is first used: `aa1xr --help`, or a
# completion, does not wait for xarray.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

register_accessors()
