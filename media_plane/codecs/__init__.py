"""Bytes to frames and back, one file per codec, without I/O and threads."""
