"""
The page, opened in a real browser.
"""
