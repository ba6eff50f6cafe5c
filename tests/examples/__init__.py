"""
The examples, run for real, against what their README says they print.
"""
