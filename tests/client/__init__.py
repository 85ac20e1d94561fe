"""Tests of the clients: every verb through the blocking and the asynchronous face, on both stores."""
