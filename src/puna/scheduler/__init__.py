"""Leases on models in memory: who gets one, what is loaded for it, and what makes room.

``policy`` decides and touches nothing; ``pool`` carries its decisions out and hands out leases; ``messages`` are the
words between the two. ``plan`` chooses how a model is loaded, from what
``machine`` can see of cores and memory.
"""
