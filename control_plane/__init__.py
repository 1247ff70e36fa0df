"""The control plane: everything before and after a call."""
