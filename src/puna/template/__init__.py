"""Prompt templates: Ollama's Go templates as they are rendered, and Jinja ones as far as they are looked at."""
