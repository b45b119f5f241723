"""Answers in text, from a model here or from an endpoint. Judges none of them."""
