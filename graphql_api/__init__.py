"""The HTTP APIs: GraphQL with GraphiQL, and Sunbird's read and write APIs."""
