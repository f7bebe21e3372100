"""From the arguments of a synthesis to its plan, and what it would take."""
