"""Who may do what: roles, credentials, and the table that every route is held to. Pure."""
