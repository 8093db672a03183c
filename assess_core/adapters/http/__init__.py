"""HTTP clients: the requests of this project to other servers."""
