"""The models on disk, in Ollama's layout: blobs by digest, manifests by name, and models made of both."""
