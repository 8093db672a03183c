"""The console: pages for operators, mentors and learner support, rendered by the server and without any script."""
