"""What Prometheus is told: counted when a request has ended and when the pool did something, never per token."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from puna.scheduler.pool import News
from puna.service.requests import Ticket
from puna.types import RunningModel, RunningRequest

MOST_MODELS = 100
"""Models that have series of their own, the first ones; all others are ``other``."""

_NO_MODEL, _OTHER = "none", "other"

_WAITS = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_GAPS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 5.0)


class Metrics:
    """Counts for ``/metrics``. ``models`` and ``requests`` tell what is in memory and what runs, at every scrape."""

    def __init__(
        self, *, models: Callable[[], Sequence[RunningModel]], requests: Callable[[], Sequence[RunningRequest]]
    ) -> None:
        self._known: set[str] = set()
        self._registry = CollectorRegistry()
        self._registry.register(_Now(models, requests, self._label))

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"puna_{name}", text, ("model", *labels), registry=self._registry)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(f"puna_{name}_seconds", text, ("model",), buckets=buckets, registry=self._registry)

        self._requests = counter("requests", "Requests that used a model, by how they ended.", "kind", "outcome")
        self._prompt = counter("prompt_tokens", "Tokens of prompts, cached ones among them.")
        self._cached = counter("cached_prompt_tokens", "Tokens of prompts that were not read again.")
        self._written = counter("completion_tokens", "Tokens of answers.")
        self._duration = histogram("request_duration", "From a request to its end.", _WAITS)
        self._queue = histogram("queue", "A request's wait for its turn, without that for a load.", _WAITS)
        self._first = histogram("time_to_first_token", "From a request to the first of its answer.", _WAITS)
        self._gap = histogram("time_between_tokens", "The mean time between two tokens of an answer.", _GAPS)
        self._loads = counter("model_loads", "Loads of a model, by how they ended.", "outcome")
        self._evictions = counter("model_evictions", "Models that left memory before their time, for others.")

    def ended(self, one: Ticket) -> None:
        """A request has ended."""
        model = self._label(one.found)
        self._requests.labels(model, one.kind, one.outcome).inc()
        self._duration.labels(model).observe(one.clock() - one.asked)
        if one.waited is not None:
            self._queue.labels(model).observe(one.waited)
        if one.first is not None:
            self._first.labels(model).observe(one.first - one.asked)
            if one.pieces > 1:
                self._gap.labels(model).observe((one.last - one.first) / (one.pieces - 1))
        self._prompt.labels(model).inc(one.usage.prompt_tokens)
        self._cached.labels(model).inc(one.usage.cached_tokens)
        self._written.labels(model).inc(one.usage.completion_tokens)

    def happened(self, news: News, name: str) -> None:
        """The pool did something with the model of that name."""
        model = self._label(name)
        match news:
            case "loaded":
                self._loads.labels(model, "ok").inc()
            case "failed":
                self._loads.labels(model, "error").inc()
            case "evicted":
                self._evictions.labels(model).inc()

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """All of it as text, and its media type, in the form that ``accept`` (an HTTP header) asks for."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def _label(self, model: str) -> str:
        if not model or model in self._known:
            return model or _NO_MODEL
        if len(self._known) >= MOST_MODELS:
            return _OTHER
        self._known.add(model)
        return model


class _Now(Collector):
    """What is true at the moment of a scrape."""

    def __init__(
        self,
        models: Callable[[], Sequence[RunningModel]],
        requests: Callable[[], Sequence[RunningRequest]],
        label: Callable[[str], str],
    ) -> None:
        self._models = models
        self._requests = requests
        self._label = label

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are not known to clash."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The gauges."""
        memory: Tally[str] = Tally()
        for model in self._models():
            memory[self._label(model.name)] += model.size
        held = GaugeMetricFamily("puna_model_memory_bytes", "Memory that a model holds.", labels=("model",))
        for name, size in memory.items():
            held.add_metric((name,), size)
        yield held
        running = Tally((self._label(one.model), one.state) for one in self._requests())
        now = GaugeMetricFamily("puna_requests_running", "Requests by where they stand.", labels=("model", "state"))
        for model_state, count in running.items():
            now.add_metric(model_state, count)
        yield now
