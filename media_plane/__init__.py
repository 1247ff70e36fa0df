"""Hexagon 1: the call while it lives."""
