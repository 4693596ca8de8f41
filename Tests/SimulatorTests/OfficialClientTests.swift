import Testing

@Suite struct OfficialClientTests {
  /// Needs PyPI once, for the client; the script's last line says so when that fails.
  @Test(.timeLimit(.minutes(5)))
  func `Vast's own client can search, create, watch, log in, stop, start and destroy`() async throws {
    let done = try await Program.run([
      Program.package + "/scripts/test-official-client", Program.products + "/vast-sim",
    ])
    #expect(done.status == 0, "\(done.output)")
    #expect(done.output.contains("the official client and the simulator agree"))
  }
}
