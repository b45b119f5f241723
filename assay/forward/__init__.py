"""The forward pass in pieces: batches, prefixes computed once, upper blocks alone, token trees. Reads nothing out and writes nothing in."""
