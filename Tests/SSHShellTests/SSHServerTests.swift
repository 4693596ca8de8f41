import TestSupport
import Testing

/// The recipe itself, by the plain client.
struct SSHServerTests {
  @Test func `a login of the test machine has its folder as home and the system's own untouched`() async throws {
    let server = try await SSHServer.start()
    defer { server.destroy() }
    #expect(server.log.contains("Server listening on 127.0.0.1"))
    server.stopListening()
    try await server.startListening()
  }
}
