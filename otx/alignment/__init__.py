"""Align an encoder on parallel text: data, views, diagnostics, records, and word links."""
