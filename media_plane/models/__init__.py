"""ChatModel adapters: Gemini, and the scripted policy that needs no key."""
