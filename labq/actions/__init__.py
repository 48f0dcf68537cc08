"""What a job's blocks do: one method a file, written against `labq.hw.session.Session` alone."""
