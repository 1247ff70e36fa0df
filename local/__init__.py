"""Everything on one machine: composition of the two planes, and the tools round them."""
