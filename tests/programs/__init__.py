"""Random programs: workflows that nobody thought of, run by rqflow and by a reference that says what may come out."""
