"""Engines around a full-duplex speech model: it leads the talk, our ear, our voice and a text agent stand beside it."""
