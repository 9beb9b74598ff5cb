"""Leases on models in memory: who gets one, what is loaded for it, and what makes room.

``policy`` decides and touches nothing, over ``lines`` of requests and ``runners``; ``pool`` carries its decisions out
and hands out leases; ``messages`` are the words between the two, ``refusal`` those to a request that cannot fit.
``plan`` chooses how a model is loaded and says what that takes, from what ``cache`` knows of its contexts and
``machine`` of cores and memory.
"""
