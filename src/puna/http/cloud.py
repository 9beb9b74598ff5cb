"""Model names that say where the model is to run: ``:cloud``, ``:local``, and tags that end in ``-cloud``.

puna runs models here and nowhere else; a name that asks for the cloud is refused as an Ollama does whose cloud features
are turned off.
"""

from __future__ import annotations

from puna.errors import CloudDisabled, InvalidName, InvalidRequest


def local_name(name: str, what: str) -> str:
    """``name`` without spaces around it and without ``:local``.

    Raises:
        CloudDisabled: it names a cloud model; the error says that ``what`` ("web search is") is not available.
        InvalidRequest: it asks for both places.
    """
    rest, place = _one_place(name)
    if place == "cloud":
        raise CloudDisabled(what)
    return rest


def parent_name(name: str) -> tuple[str, str]:
    """The model that another is made from, and the server it runs on, "" for this one.

    Raises:
        InvalidName: it asks for both places.
    """
    try:
        rest, place = _one_place(name)
    except InvalidRequest as error:
        raise InvalidName(name) from error
    return rest, "ollama.com" if place == "cloud" else ""


def stored_name(name: str) -> str:
    """The name under which a model lies in the store; a cloud model's, as older clients stored its stub.

    ``m:tag:cloud`` is ``m:tag-cloud``, ``m:cloud`` is itself, and ``:local`` says nothing.

    Raises:
        InvalidRequest: it asks for both places.
    """
    text = name.strip()
    rest, place = _one_place(name)
    if place == "cloud" and ":" in text.removeprefix(rest) and ":" in rest.rpartition("/")[2]:
        return f"{rest}-cloud"
    return rest if place == "local" else text


def _one_place(name: str) -> tuple[str, str]:
    text = name.strip()
    rest, place = _place(text)
    if place and _place(rest)[1] not in ("", place):
        raise InvalidRequest(f'use either :local or :cloud, not both: "{name}"')
    return rest, place


def _place(name: str) -> tuple[str, str]:
    """``name`` without the place it asks for, and the place ("" if none)."""
    rest, colon, suffix = name.rpartition(":")
    place = suffix.strip().lower()
    if not colon:
        return name, ""
    if place in ("cloud", "local"):
        return rest, place
    if place.endswith("-cloud") and "/" not in place:
        return name.rstrip()[: -len("-cloud")], "cloud"
    return name, ""
