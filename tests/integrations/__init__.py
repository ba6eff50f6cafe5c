"""
Figures, spans and events for other systems, with their real clients.
"""
