from math import log

import pytest

from puna.service.rerank import yes_share
from puna.types import TokenLogprob


def tokens(**shares: float) -> list[TokenLogprob]:
    return [TokenLogprob(name.replace("_", " "), log(share)) for name, share in shares.items()]


@pytest.mark.parametrize(
    ("alternatives", "share"),
    [
        (tokens(yes=0.3, no=0.1), 0.75),
        (tokens(yes=0.2, Yes=0.1, _yes=0.1, no=0.1, the=0.5), 0.8),
        (tokens(No=0.9), 0.0),
        (tokens(yes=0.01), 1.0),
        (tokens(the=0.9), 0.0),
        ([], 0.0),
    ],
)
def test_a_judgement_is_the_share_of_yes(alternatives: list[TokenLogprob], share: float) -> None:
    """However it is written; a model that says neither does not say yes."""
    assert share == pytest.approx(yes_share(alternatives))
