"""The HTTP server: routing, guards and streaming in general; what is said in whose words is a dialect's."""
