"""Settings: the tables of otx.toml, their checks, and where each value was set."""
