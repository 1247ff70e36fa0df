"""A double of NVIDIA's PersonaPlex server: its wire, its hazards and its faults, without a GPU and without a model.

It is built on the libraries that the genuine server is built on (aiohttp, sphn) and on nothing that our own client side uses, so that
the two can only agree where both agree with the wire.
"""
