"""Settings: one typed value, read from the environment and ``.env`` at the edge and checked at start.

``python -m nexus.settings`` writes ``.env.example`` and ``docs/settings.md`` from its fields.
"""
