"""Use cases of the control plane: tenants, calls, sessions, leads, text conversations. They speak to ports only."""
