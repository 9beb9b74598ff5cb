"""The ways in which models write tool calls, one module per syntax; families combine them with their own markers."""
