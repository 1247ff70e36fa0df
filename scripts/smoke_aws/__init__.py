"""A bounded run through a real AWS account: what no emulator shows (docs/unproven.md), step by step, and nothing left behind."""
