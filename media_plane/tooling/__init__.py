"""Tenant tools: vetted, run in a child process per tenant, validated, limited in time, done once."""
