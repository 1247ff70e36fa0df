"""Lets callers in, runs their calls to the end, and sees that each leaves exactly one record."""
