"""puna: a local model server that speaks Ollama's API and command line."""

__version__ = "0.1.0"

OLLAMA_API_VERSION = "0.33.0"
"""The release of Ollama whose API is spoken; clients that gate features on ``/api/version`` read it."""
