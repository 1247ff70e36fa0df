"""LeadModel adapters: Gemini, and the deterministic reading that needs no key."""
