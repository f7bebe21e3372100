"""LEA: what was seen from brain responses, and responses from what is seen, through two aligned latent spaces."""
