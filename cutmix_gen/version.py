"""The version of this program, and those of the libraries that decide about the bytes."""

from __future__ import annotations

__version__ = "0.1.0"

_LIBRARIES = ("numpy", "pillow", "pyarrow", "simplejpeg", "cykooz.resizer", "deflate")


def library_versions() -> dict[str, str]:
    """Return the releases of the libraries that have a part in the bytes, of those that are installed."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  slow to import, and seldom needed

    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def changed_versions(then: dict[str, str]) -> list[str]:
    """Return a text for each library that has another release now, of those that had a part in the bytes then."""
    now = library_versions()
    return [
        f"{name} {version} then, {now.get(name, 'not installed')} now"
        for name, version in then.items()
        if now.get(name) != version
    ]
