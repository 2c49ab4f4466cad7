"""The study end to end: named steps with kept results, one report, and the study's own values beside ours.

Each step is a file of :mod:`unmask.capstone.steps` that computes plain data and figures; its words are the file of the
same name in :mod:`unmask.capstone.sections`. :mod:`unmask.capstone.pipeline` runs the steps that are not done,
:mod:`unmask.capstone.published` holds the study's values, and :mod:`unmask.capstone.rows` compares.
"""
