"""Sizes the fleet of GPUs on paper: a discrete-event model of its scaling, and what the whole deployment costs."""
