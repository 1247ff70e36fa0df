"""The control plane in Lambda: one module for each function, over the stores in AWS."""

import gc
import os

if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # A cold start makes hundreds of thousands of objects that stay: looking for garbage among them takes a fifth of it.
    # ``running.started`` begins again.
    gc.disable()
