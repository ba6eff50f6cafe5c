"""
Values to bytes and back, their isolation in memory, and the frame around stored bytes.
"""
