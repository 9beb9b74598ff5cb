import re
from typing import Any

from puna.service.metrics import MOST_MODELS, Metrics
from puna.service.requests import Caller, Ticket
from puna.types import Details, RunningModel, RunningRequest, Usage

LOADED = RunningModel("smol:latest", 500, 0, "d" * 64, Details(), "", 4096)
WAITS = RunningRequest("a", "chat", "smol:latest", "queued", "", "", 1.0, 0, 0, 0)


def ticket(model: str = "smol:latest", **fields: Any) -> Ticket:
    values = {"found": model, "outcome": "ok"} | fields
    return Ticket(Caller("a"), "chat", "smol", asked=10.0, since=0, clock=lambda: 15.0, **values)


def metrics() -> Metrics:
    return Metrics(models=lambda: [LOADED], requests=lambda: [WAITS, WAITS])


def samples(counted: Metrics) -> dict[str, float]:
    text, _ = counted.exposition("text/plain")
    lines = (line for line in text.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_a_request_is_counted_when_it_has_ended() -> None:
    """Its tokens, how long it waited, how soon it began and how fast it went on."""
    counted = metrics()
    counted.ended(
        ticket(waited=2.0, first=13.0, last=14.0, pieces=5, usage=Usage(9, 5, cached_tokens=4)),
    )

    found = samples(counted)
    model = 'model="smol:latest"'
    assert 1 == found[f'puna_requests_total{{kind="chat",{model},outcome="ok"}}']
    assert (9, 4, 5) == tuple(
        found[f"puna_{kind}_total{{{model}}}"]
        for kind in ("prompt_tokens", "cached_prompt_tokens", "completion_tokens")
    )
    assert (2.0, 3.0, 0.25, 5.0) == tuple(
        found[f"puna_{kind}_seconds_sum{{{model}}}"]
        for kind in ("queue", "time_to_first_token", "time_between_tokens", "request_duration")
    )


def test_a_request_that_got_no_turn_has_no_waits() -> None:
    """It is counted, without a model when it never had one."""
    counted = metrics()
    counted.ended(ticket("", outcome="error"))
    found = samples(counted)
    assert 1 == found['puna_requests_total{kind="chat",model="none",outcome="error"}']
    assert not [name for name in found if name.startswith(("puna_queue", "puna_time"))]


def test_the_news_of_models_are_counted() -> None:
    """Loads, those that fail, and models that had to go."""
    counted = metrics()
    for news in ("loaded", "loaded", "failed", "evicted"):
        counted.happened(news, "a")  # type: ignore[arg-type]
    found = samples(counted)
    assert 2 == found['puna_model_loads_total{model="a",outcome="ok"}']
    assert 1 == found['puna_model_loads_total{model="a",outcome="error"}']
    assert 1 == found['puna_model_evictions_total{model="a"}']


def test_a_scrape_tells_what_is_so_now() -> None:
    """Memory, and requests by where they stand."""
    found = samples(metrics())
    assert 500 == found['puna_model_memory_bytes{model="smol:latest"}']
    assert 2 == found['puna_requests_running{model="smol:latest",state="queued"}']


def test_models_without_end_do_not_fill_the_memory() -> None:
    """From some number on, they share one name."""
    counted = metrics()
    for number in range(MOST_MODELS + 50):
        counted.ended(ticket(f"model{number}"))
    text, _ = counted.exposition("")
    names = set(re.findall(r'model="([^"]*)"', text.decode()))
    assert "other" in names
    assert len(names) <= MOST_MODELS + 2
