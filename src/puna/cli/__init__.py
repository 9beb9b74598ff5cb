"""The command line: one module per group of commands. It knows the server only through ``puna.client``."""
