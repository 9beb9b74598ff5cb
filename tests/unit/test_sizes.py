"""Numbers of bytes, as people read them."""

import pytest

from puna.sizes import size


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 KB"),
        (1500, "1.5 KB"),
        (98_765_432, "98 MB"),
        (210_690_374, "210 MB"),
        (1_234_567_890, "1.2 GB"),
        (1_000_000_000, "1 GB"),
        (9_990_000_000, "10.0 GB"),
        (42_900_000_000, "42 GB"),
        (2_500_000_000_000, "2.5 TB"),
    ],
)
def test_size(bytes_, text):
    """Sizes have decimal units, and one decimal below ten."""
    assert text == size(bytes_)
