"""
Warming: calls that were recorded are made again, before anybody asks.
"""
