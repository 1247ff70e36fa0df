"""The stacks, deployed to the emulator by the ordinary CDK command, and used by HTTP, WebSocket and SQL."""
