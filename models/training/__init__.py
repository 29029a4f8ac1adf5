"""From records to a trained model: candidates, jobs, fits, and what an interruption leaves."""
