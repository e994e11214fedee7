"""The claims: a file for each topic."""
