"""Doctor: looks at the servers of an address and says what they put at risk, and the line to change."""
