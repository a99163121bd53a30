"""The assets, jobs and sensors of maintenance."""
