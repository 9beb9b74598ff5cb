"""Names that ask for a place get it, or are told why not."""

from __future__ import annotations

import pytest

from puna.errors import CloudDisabled, InvalidRequest
from puna.http.cloud import local_name, stored_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("smol", "smol"),
        (" smol:v1 ", "smol:v1"),
        ("smol:local", "smol"),
        ("smol:v1:LOCAL", "smol:v1"),
        ("cloud", "cloud"),
        ("my-cloud", "my-cloud"),
        ("host:5000/x-cloud", "host:5000/x-cloud"),
        ("", ""),
    ],
)
def test_names_of_local_models_lose_only_the_place(name, expected):
    """``:local`` is not part of the name, and "cloud" elsewhere than in the tag means nothing."""
    assert expected == local_name(name, "remote model is")


@pytest.mark.parametrize("name", ["gpt-oss:cloud", "gpt-oss:120b-cloud", "gpt-oss:120B-CLOUD ", "a:b:cloud"])
def test_cloud_models_are_refused(name):
    """Nothing is ever sent elsewhere."""
    with pytest.raises(CloudDisabled) as caught:
        local_name(name, "remote model is")

    assert "ollama cloud is disabled: remote model is unavailable" == str(caught.value)


@pytest.mark.parametrize("name", ["m:cloud:local", "m:local:cloud", "m:1b-cloud:local"])
def test_both_places_are_a_mistake(name):
    """A name cannot ask for both."""
    with pytest.raises(InvalidRequest) as caught:
        local_name(name, "remote model is")

    assert f'use either :local or :cloud, not both: "{name}"' == str(caught.value)
    with pytest.raises(InvalidRequest):
        stored_name(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("m", "m"),
        ("m:8b:cloud", "m:8b-cloud"),
        ("m:8b-cloud", "m:8b-cloud"),
        ("m:cloud", "m:cloud"),
        ("host:5000/n/m:cloud", "host:5000/n/m:cloud"),
        (" smol:v1:local ", "smol:v1"),
    ],
)
def test_stubs_of_cloud_models_have_one_name(name, expected):
    """What an older client stored can be named, so that it can be deleted."""
    assert expected == stored_name(name)
