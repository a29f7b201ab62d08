"""Solving tasks with decision trees over cells: each output cell is predicted from features of the
input.
"""
