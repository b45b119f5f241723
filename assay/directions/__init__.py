"""What a vector means: naive, natural and mean-difference vectors, logit lens, contexts, similarity."""
