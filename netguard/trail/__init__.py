"""The audit trail: a record becomes a redacted line, the line joins a hash chain, and anyone can check the chain."""
