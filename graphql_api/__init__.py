"""The HTTP faces: GraphQL with GraphiQL, Sunbird's read API, and its write APIs."""
