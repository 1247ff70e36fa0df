"""The nouns: calls, sessions, tenants, leads and how they are archived. Pure values, no I/O."""
