"""How fast something goes, and how long it still takes."""

from puna.cli.speed import Speed


def test_nothing_to_tell_it_from():
    """Before anything has moved there is no speed, however long it has taken."""
    speed = Speed()
    assert [None, None] == [speed.left(5, 100, 0.0), speed.left(5, 100, 9.0)]


def test_large_steps():
    """Between two steps the speed stays, and the time left goes down with the clock, to nothing at most."""
    speed = Speed()
    speed.left(0, 300, 0.0)
    told = [speed.left(100, 300, at) for at in (10.0, 15.0, 60.0)]
    assert [(10.0, "20s"), (10.0, "15s"), (10.0, "0s")] == told
    assert (5.0, "20s") == speed.left(200, 300, 40.0)


def test_beginning_again():
    """What begins anew, as a download from another place does, is measured anew."""
    speed = Speed()
    speed.left(50, 100, 0.0)
    speed.left(90, 100, 1.0)
    assert speed.left(0, 100, 2.0) is None
    assert (10.0, "9s") == speed.left(10, 100, 3.0)
