"""The edges in over HTTP: acknowledge links, providers' callbacks, and what became of pages."""
