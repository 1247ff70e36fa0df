"""The shell of one call: it carries out the machine's commands and brings it the world's events."""
