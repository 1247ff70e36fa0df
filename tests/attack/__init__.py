"""The attack suite: every route under every credential, and the tricks around them; and the proof that it would notice a hole."""
