"""What `evaluate` gives: the table of scores, everything behind it, and how it is kept and compared."""

from braincodec.evaluation.scores.comparison import Comparison
from braincodec.evaluation.scores.scores import Scores
from braincodec.evaluation.scores.table import ALL_UNITS, DIRECTIONS, FLOORS, SUMMARIES, TABLE_COLUMNS, make_table

__all__ = ["ALL_UNITS", "DIRECTIONS", "FLOORS", "SUMMARIES", "TABLE_COLUMNS", "Comparison", "Scores", "make_table"]
