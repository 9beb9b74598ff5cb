"""How often a key may be used: a bucket that refills steadily, and holds as much as a minute brings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """``left`` requests that may be made at the time ``at``, in seconds from any start."""

    left: float
    at: float


def take(bucket: Bucket | None, per_minute: int, now: float) -> tuple[Bucket, float]:
    """Make one request of ``per_minute`` at the time ``now``, of a bucket that is full when there is None yet.

    Returns the bucket after it, and the seconds until a request may be made: 0 if this one was.
    """
    left = float(per_minute)
    if bucket is not None:
        left = min(left, bucket.left + (now - bucket.at) * per_minute / 60)
    if left >= 1:
        return Bucket(left - 1, now), 0.0
    return Bucket(left, now), (1 - left) * 60 / per_minute
