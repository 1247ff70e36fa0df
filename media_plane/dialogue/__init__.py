"""The text agent: turns what the caller said into sentences to speak and tools to run, through a ChatModel."""
