"""What every floor above may use: errors, identifiers, backoff, JSON text. The standard library only."""
