"""The kernel: the words both planes speak, and the stores behind them."""
