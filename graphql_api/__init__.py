"""The HTTP faces of the read side: GraphQL with GraphiQL, and the read API of Sunbird's viewing service."""
