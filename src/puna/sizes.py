"""Numbers of bytes, as people read them."""

from __future__ import annotations


def size(count: int) -> str:
    """A number of bytes in decimal units: ``42 GB``, ``1.2 GB``, ``1 GB``, ``512 B``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= 10 * factor or (count >= factor and count % factor == 0):
            return f"{count // factor} {unit}"
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"
