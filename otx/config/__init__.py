"""Settings: the tables of otx.toml, their checks, and the origin of each value."""
