"""What is predicted, as what the page shows: pieces of HTML, and numbers for the figures that scripts draw."""
