"""Model names and digests: whatever may be typed is a complete name or refused, and prints as it is shown."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import InvalidDigest, InvalidName
from puna.names import Digest, ModelName

HEX = "0123456789abcdef" * 4
LETTERS = string.ascii_letters + string.digits + "_"


def part(characters: str, longest: int) -> st.SearchStrategy[str]:
    rest = st.text(LETTERS + characters, max_size=longest - 1)
    return st.builds("".join, st.tuples(st.sampled_from(LETTERS), rest))


NAMES = st.builds(
    ModelName,
    host=st.just("registry.ollama.ai") | part("-.:", 350),
    namespace=st.just("library") | part("-", 80),
    model=part("-.", 80),
    tag=st.just("latest") | part("-.", 80),
)


@pytest.mark.parametrize(
    ("text", "full", "short"),
    [
        ("smol", "registry.ollama.ai/library/smol:latest", "smol:latest"),
        ("smol:1b", "registry.ollama.ai/library/smol:1b", "smol:1b"),
        ("me/smol", "registry.ollama.ai/me/smol:latest", "me/smol:latest"),
        ("library/smol", "registry.ollama.ai/library/smol:latest", "smol:latest"),
        ("hf.co/me/smol:Q4_K_M", "hf.co/me/smol:Q4_K_M", "hf.co/me/smol:Q4_K_M"),
        ("hf.co/library/smol", "hf.co/library/smol:latest", "hf.co/library/smol:latest"),
        ("localhost:5000/me/smol", "localhost:5000/me/smol:latest", "localhost:5000/me/smol:latest"),
        ("https://hf.co/me/smol:x", "hf.co/me/smol:x", "hf.co/me/smol:x"),
        (" Smol.5-x_y:V1.0 ", "registry.ollama.ai/library/Smol.5-x_y:V1.0", "Smol.5-x_y:V1.0"),
    ],
)
def test_a_name_is_completed_and_shown_short(text: str, full: str, short: str) -> None:
    """What is not said is the default; lists show no more than names it, always with the tag; case is kept."""
    name = ModelName.parse(text)
    assert (full, short, short) == (name.full, name.short, str(name))
    assert "https" == name.scheme


def test_an_insecure_registry_is_remembered() -> None:
    """http:// is kept with the name, for those who must refuse it."""
    name = ModelName.parse("http://localhost:5000/me/smol")
    assert ("http", "localhost:5000") == (name.scheme, name.host)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ":",
        "/",
        ":latest",
        "smol:",
        "/smol",
        "smol/",
        "me/",
        "me//smol",
        "/me/smol",
        "hf.co//smol",
        "://smol",
        "ftp://hf.co/me/smol",
        "a/b/c/d",
        "smol:1:2",
        "smol@sha256:" + HEX,
        ".smol",
        "-smol",
        "smol:.1",
        "smol:-1",
        "../smol",
        "hf.co/../smol",
        "../../smol",
        "hf.co/me.you/smol",
        "two words",
        "smöl",
        "smol\n:x",
        "smol:x\x00",
        "m" * 81,
        "smol:" + "t" * 81,
        "n" * 81 + "/smol",
        "h" * 351 + "/me/smol",
        "back\\slash",
        "%2e%2e/smol",
    ],
)
def test_what_is_no_name_is_refused(text: str) -> None:
    """An empty, too long or odd part, or one that would lead out of the store; the error keeps the text."""
    with pytest.raises(InvalidName) as refused:
        ModelName.parse(text)
    assert (text, "invalid model name") == (refused.value.name, str(refused.value))


def test_the_longest_parts_are_names() -> None:
    """350 characters for a host, 80 for the others."""
    text = "/".join(("h" * 350, "n" * 80, "m" * 80)) + ":" + "t" * 80
    assert text == ModelName.parse(text).full


@given(NAMES)
def test_a_printed_name_is_read_as_itself(name: ModelName) -> None:
    """Short or in full, whatever its parts."""
    assert name == ModelName.parse(name.short)
    assert name == ModelName.parse(name.full)


@given(st.text() | st.text("ab.-_:/@\n 1"))
def test_a_name_that_is_accepted_is_four_safe_parts(text: str) -> None:
    """Any other text is refused as a name, and with no other error."""
    try:
        name = ModelName.parse(text)
    except InvalidName:
        return
    assert name == ModelName.from_parts(*name.parts)
    for safe in name.parts:
        assert safe
        assert not safe.startswith((".", "-"))
        assert not {"/", "\\", "\x00"} & set(safe)


@pytest.mark.parametrize(
    "parts", [("h", "n", "m", ""), ("h", "n.n", "m", "t"), ("h", "n", ".m", "t"), ("", "n", "m", "t")]
)
def test_files_that_are_no_manifests_have_no_name(parts: tuple[str, str, str, str]) -> None:
    """What else lies in the store is passed over, not an error."""
    assert ModelName.from_parts(*parts) is None


def test_names_are_the_same_whatever_their_case() -> None:
    """Part by part, as the store compares them; the scheme is no part of it."""
    name = ModelName.parse("hf.co/Me/Smol:Q4")
    assert name.same_as(ModelName.parse("HF.co/me/smol:q4"))
    assert name.same_as(ModelName.parse("http://hf.co/me/smol:q4"))
    assert not name.same_as(ModelName.parse("hf.co/me/smol:q5"))
    assert name != ModelName.parse("hf.co/me/smol:q4")


@pytest.mark.parametrize("text", [f"sha256:{HEX}", f"sha256-{HEX}", f"sha256:{HEX.upper()}"])
def test_a_digest_is_read_in_either_form_and_printed_in_each(text: str) -> None:
    """With a colon in JSON, with a hyphen as a file's name, lower case always."""
    digest = Digest.parse(text)
    assert (f"sha256:{HEX}", f"sha256-{HEX}", HEX) == (str(digest), digest.filename, digest.hex)


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEX,
        f"sha512:{HEX}",
        f"sha256:{HEX[1:]}",
        f"sha256:{HEX}0",
        f"sha256:{HEX[1:]}g",
        f"sha256:{HEX}\n",
        f" sha256:{HEX}",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    """It never becomes the name of a file; the error keeps the text."""
    with pytest.raises(InvalidDigest) as refused:
        Digest.parse(text)
    assert (text, "invalid digest format") == (refused.value.digest, str(refused.value))
