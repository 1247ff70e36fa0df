"""The control plane in Lambda: one module for each function, over the stores in AWS."""
