"""The edges out: the ledger's storage and the channels."""
