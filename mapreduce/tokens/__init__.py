"""What a token is: a specification as data, and the plain Python that runs it. Nothing is counted here."""
