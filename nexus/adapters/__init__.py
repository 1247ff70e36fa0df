"""Where values are kept: memory, files and SQLite, AWS. Only wiring names what is here."""
