"""The report: one page in one file that shows what is in a set and how it was made."""

from __future__ import annotations

from cutmix_gen.codecs import MAX_PIXELS
from cutmix_gen.errors import UsageError
from cutmix_gen.storage import Place, put_output


def write_report(output: Place, file: Place, seed: int = 0, *, max_pixels: int = MAX_PIXELS) -> int:
    """Write a self-contained HTML page on a set; the same set gives the same page.

    It needs no network and runs no script. However large the set, a few thousand samples are read and a few dozen
    shown, so that it takes seconds and the page has less than 3 MB.

    Parameters
    ----------
    output : Place
        The folder of the set.
    file : Place
        The page; one that is there is replaced.
    seed : int
        Of the choice of samples.
    max_pixels : int, optional
        No larger image is decoded, whatever the set allows itself. [default: 250,000,000]

    Returns
    -------
    int
        Bytes of the page.

    Raises
    ------
    SetError
        If there is no set, or what is read of it is damaged.
    UsageError
        If the libraries of the extra `report` are not installed.
    """
    try:
        from cutmix_gen.visualize.report.page import page  # noqa: PLC0415  an extra
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("jinja2", "matplotlib"):
            raise
        raise UsageError(
            "The report needs jinja2 and matplotlib, not both installed here. "
            'Install them with: pip install "cutmix-gen[report]".'
        ) from error
    data = page(output, seed, max_pixels).encode()
    put_output(file, data)
    return len(data)
