"""A line to NVIDIA's PersonaPlex server as it really speaks: Ogg/Opus over a WebSocket, one session at a time."""
