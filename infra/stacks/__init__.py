"""One stack a module; a stack takes the constructs of those before it."""
