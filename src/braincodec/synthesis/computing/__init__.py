"""Responses to one block of stimuli, and what is known of them."""
