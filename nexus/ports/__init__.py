"""What both planes ask of the outside, one module a kind of thing: protocols of at most six methods each, in our words.

Every method may raise ``nexus.errors.Unavailable``. One contract suite (tests/contracts) runs over every adapter of each port.
"""
