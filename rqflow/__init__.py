"""rqflow: durable workflows for Python teams that already run Redis."""
