"""Workers: what we deploy, one module per process type; they import only rqflow and the standard library."""
