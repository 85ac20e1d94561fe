"""Command line: what people type; the only caller of the settings and the home of click, rich and watchfiles."""
