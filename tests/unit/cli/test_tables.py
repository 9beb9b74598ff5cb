"""Tables, sizes and times, against lines that Ollama printed."""

from datetime import UTC, datetime, timedelta

import pytest

from puna.cli.tables import count, folded, moment, relative, section, table, width

NOW = datetime(2026, 11, 21, 20, 41, 5, tzinfo=UTC)


def test_table():
    """A table's columns lie where Ollama's lie, trailing spaces included."""
    rows = [
        ("smol-tj:latest", "423809f5f1fe", "98 MB", "2 minutes ago"),
        ("smol-think:latest", "0d037947e140", "98 MB", "7 minutes ago"),
    ]
    assert (
        "NAME                 ID              SIZE     MODIFIED      \n"
        "smol-tj:latest       423809f5f1fe    98 MB    2 minutes ago    \n"
        "smol-think:latest    0d037947e140    98 MB    7 minutes ago    \n"
    ) == table(("NAME", "ID", "SIZE", "MODIFIED"), rows)


def test_empty_table():
    """A table without rows is its header."""
    assert "NAME    ID    SIZE    MODIFIED \n" == table(("NAME", "ID", "SIZE", "MODIFIED"), [])


def test_section():
    """A section is indented, and an empty line follows it."""
    assert '  Parameters\n    stop           "a"    \n    temperature    0.5    \n\n' == section(
        "Parameters", [("stop", '"a"'), ("temperature", "0.5")]
    )


def test_empty_section():
    """A section without rows is not there."""
    assert "" == section("Capabilities", [])


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("Ġ", 1), ("漢字", 4), ("e\u0301", 1), ("👩\u200d👩\u200d👧", 2), ("🇩🇪", 2), ("ｱ", 1), ("", 0)],
)
def test_width(text, columns):
    """Wide and combining characters count as a terminal shows them."""
    assert columns == width(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [(134_515_008, "134.52M"), (3_210_000_000, "3.2B"), (7_000_000_000, "7B"), (12_000, "12K"), (12, "12")],
)
def test_count(number, text):
    """Numbers of parameters read as Ollama writes them."""
    assert text == count(number)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "Less than a second"),
        (1.9, "1 second"),
        (59.9, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * 60 + 59, "59 minutes"),
        (3600, "About an hour"),
        (1.5 * 3600, "2 hours"),
        (47 * 3600, "47 hours"),
        (48 * 3600, "2 days"),
        (13.9 * 86400, "13 days"),
        (14 * 86400, "2 weeks"),
        (59 * 86400, "8 weeks"),
        (60 * 86400, "2 months"),
        (729 * 86400, "24 months"),
        (730 * 86400, "2 years"),
    ],
)
def test_relative(seconds, text):
    """The past is told in Ollama's words and the future too."""
    delta = timedelta(seconds=seconds)
    assert f"{text} ago" == relative(NOW - delta, NOW)
    assert f"{text} from now" == relative(NOW + delta, NOW)


def test_never_and_forever():
    """No time is never, and more than twenty years off is forever."""
    assert "Never" == relative(moment("0001-01-01T00:00:00Z"), NOW)
    assert "Never" == relative(moment(""), NOW)
    assert "Forever" == relative(moment("2319-03-03T20:36:53.726622387Z"), NOW)


def test_moment():
    """Nanoseconds and local offsets of the API are read."""
    assert datetime(2026, 11, 21, 19, 41, 5, 742011, tzinfo=UTC) == moment("2026-11-21T20:41:05.742011893+01:00")


HEADER = ("NAME", "ID", "SIZE", "MODIFIED")
ROWS = (("smollm2:latest", "423809f5f1fe", "98 MB", "2 minutes ago"), ("通义千问:4b", "02219c2ac3f2", "3 GB", "Never"))


def test_table_that_fits():
    """A terminal that is as wide as the table gets it as a pipe does, but for spaces that would take another line."""
    whole = [line.rstrip() for line in table(HEADER, ROWS).splitlines()]
    assert whole == table(HEADER, ROWS, 56).splitlines()
    assert 56 == width(whole[1])


def test_table_that_is_closer():
    """On a terminal that is a little too narrow the columns stand closer together."""
    lines = table(HEADER, ROWS, 55).splitlines()
    assert "smollm2:latest  423809f5f1fe  98 MB  2 minutes ago" == lines[1]
    assert "通义千问:4b     02219c2ac3f2  3 GB   Never" == lines[2]


@pytest.mark.parametrize("columns", [10, 20, 40, 49])
def test_table_that_is_stacked(columns):
    """On a narrow terminal a name has a line of its own, no cell is broken, and nothing is left out."""
    shown = table(HEADER, ROWS, columns)
    lines = shown.splitlines()
    assert "NAME" == lines[0]
    assert {"smollm2:latest", "通义千问:4b"} < set(lines)
    assert all(width(line) <= columns for line in lines if line.count("  ") > 1)
    cells = [cell for row in (HEADER, *ROWS) for cell in row]
    assert cells == [cell for line in lines for cell in line.split("  ") if cell]


def test_table_at_forty_columns():
    """Forty columns are enough for a model on two lines."""
    expected = (
        "NAME\n  ID  SIZE  MODIFIED\n"
        "smollm2:latest\n  423809f5f1fe  98 MB  2 minutes ago\n"
        "通义千问:4b\n  02219c2ac3f2  3 GB  Never\n"
    )
    assert expected == table(HEADER, ROWS, 40)


def test_section_on_a_narrow_terminal():
    """A row that has no room has its value on the next line."""
    rows = [("general.architecture", "llama"), ("general.license", "apache-2.0")]
    expected = "  Metadata\n    general.architecture\n      llama\n    general.license\n      apache-2.0\n\n"
    assert expected == section("Metadata", rows, 30)
    whole = "  Metadata\n    general.architecture    llama\n    general.license         apache-2.0\n\n"
    assert whole == section("Metadata", rows, 38)


def test_long_cell_of_a_section():
    """What is a sentence is broken between words."""
    expected = "  Machine\n    cores\n      2 to compute\n      on, of 4\n\n"
    assert expected == section("Machine", [("cores", "2 to compute on, of 4")], 20)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a line that is short", ["a line that is short"]),
        ("one that has no room on this line", ["one that has no room", "on this line"]),
        ("    it was indented from the first", ["    it was indented", "    from the first"]),
        ("  /bye  Leave, without a word", ["  /bye  Leave,", "        without a", "        word"]),
        ("  /set think [level]  Think first", ["  /set think [level]", "    Think first"]),
        ("Set 'verbose' mode. /a/path/that/is/long", ["Set 'verbose' mode.", "/a/path/that/is/long"]),
        ("one\n\ntwo", ["one", "", "two"]),
    ],
)
def test_folded(line, shown):
    """Help fits a narrow window, and can still be read as the two columns it is."""
    assert shown == folded(line, 20).splitlines()
