"""How audio and messages reach the caller: wire codecs without I/O, and the sockets under them."""
