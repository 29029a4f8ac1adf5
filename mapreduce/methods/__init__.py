"""The classic methods: what their jobs compute on the driver or in the last reducer, and rounds of jobs."""
