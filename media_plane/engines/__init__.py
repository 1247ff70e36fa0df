"""Engines: what turns the caller's audio or text into the agent's words and voice, for one call."""
