"""From records and documents to tokens: templates, spans, and which tokens are meant. Knows tokenizers, not models."""
