"""The REST door: HTTP in front of the use cases."""
