"""Images to brain responses, and brain responses to images."""
