"""Ears and voices: speech-to-text and text-to-speech models that come inside packages."""
