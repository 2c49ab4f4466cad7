"""The course of expressions over time: smoothed scores, events, and what each person showed."""
