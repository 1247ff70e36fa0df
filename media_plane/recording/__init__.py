"""Records calls in stereo: the caller left, the agent right as it was really heard."""
