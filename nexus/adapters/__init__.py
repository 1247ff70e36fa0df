"""Where values are kept: memory, files and SQLite today, AWS later. Only wiring names what is here."""
