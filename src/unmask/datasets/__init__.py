"""Face data sets in one form: layouts, votes, splits."""
