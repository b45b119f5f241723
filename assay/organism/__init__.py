"""Training the standard: corpus, network, phases, certificate. Nothing but the stages `organism` and `score` needs it."""
