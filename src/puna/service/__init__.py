"""What puna does, whoever asks: chat and generate, and the library of models."""
