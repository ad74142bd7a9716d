"""The citation of the data, the papers, and the terms of CRCNS."""

from __future__ import annotations

from aa1xr.version import VERSION

DOI = "10.6080/K0F769GP"

CITATION = (
    "Theunissen FE, Hauber ME, Woolley SMN, Gill P, Shaevitz SS, Amin N, Hsu A, Singh NC, "
    "Grace GA, Fremouw T, Zhang J, Cassey P, Doupe AJ, David SV (2009). "
    "Single-unit recordings from two auditory areas in male zebra finches. CRCNS.org. "
    f"https://doi.org/{DOI}"
)

LICENSE = (
    "For scientific research, not to be redistributed. Acknowledge that the data was "
    "obtained in the Theunissen lab at UC Berkeley in all publications that analyse it."
)

#: Of those that CONDITIONS.txt in the archive lists, the ones about these recordings and sounds.
PAPERS = (
    (
        "Gill P, Zhang J, Woolley SMN, Fremouw T, Theunissen FE (2006). Sound representation "
        "methods for spectro-temporal receptive field estimation. J Comput Neurosci 21:5-20. "
        "https://doi.org/10.1007/s10827-006-7059-4"
    ),
    (
        "Woolley SMN, Gill PR, Theunissen FE (2006). Stimulus-dependent auditory tuning results in "
        "synchronous population coding of vocalizations in the songbird midbrain. "
        "J Neurosci 26:2499-2512."
    ),
    (
        "Woolley SMN, Fremouw TE, Hsu A, Theunissen FE (2005). Tuning for spectro-temporal "
        "modulations as a mechanism for auditory discrimination of natural sounds. "
        "Nat Neurosci 8:1371-1379. https://doi.org/10.1038/nn1536"
    ),
    (
        "Hsu A, Woolley SMN, Fremouw TE, Theunissen FE (2004). Modulation power and phase spectrum "
        "of natural sounds enhance neural encoding performed by single auditory neurons. "
        "J Neurosci 24:9201-9211. https://doi.org/10.1523/JNEUROSCI.2449-04.2004"
    ),
    (
        "Singh NC, Theunissen FE (2003). Modulation spectra of natural sounds and ethological "
        "theories of auditory processing. J Acoust Soc Am 114:3394-3411. "
        "https://doi.org/10.1121/1.1624067"
    ),
)

#: Shown once before the first download.
TERMS = f"""\
The terms of CRCNS for the AA1 recordings:

  - They are provided free of charge for scientific research.
  - They may not be redistributed, except to direct collaborators.
  - Acknowledge in all publications that analyse them (abstracts, posters and talks included)
    that they were obtained in the Theunissen lab at UC Berkeley, and cite
    {CITATION}
  - Consent of the authors is not required but highly recommended.

All of it is in CONDITIONS.txt in the archive; `aa1xr cite` prints what to cite.
"""


def cite() -> None:
    """Print the references to cite: the data, the papers about it, and this package.

    Examples
    --------
    >>> aa1xr.cite()  # doctest: +ELLIPSIS
    Data:
      Theunissen FE, Hauber ME, ...
    """
    for title, entries in (
        ("Data", (CITATION,)),
        ("Papers about these recordings; cite those that you build on", PAPERS),
        ("Software", (f"The aa1xr developers. aa1xr {VERSION}, a package for Python.",)),
        ("Conditions", (LICENSE,)),
    ):
        print(f"{title}:")
        for entry in entries:
            print(f"  {entry}")
