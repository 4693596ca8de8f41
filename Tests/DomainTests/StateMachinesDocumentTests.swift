import Domain
import Glibc
import Testing

/// `docs/state-machines.md` is drawn from the tables that the program runs on. `scripts/state-machines` draws it anew.
@Suite struct StateMachinesDocumentTests {
  private static let path: String = {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/docs/state-machines.md"
  }()

  @Test func `docs/state-machines.md shows the tables as they are`() throws {
    let drawn = Self.document
    if getenv("VASTD_DRAW_STATE_MACHINES") != nil { try write(drawn, to: Self.path) }
    let onDisk = try read(Self.path)
    #expect(onDisk == drawn, "run scripts/state-machines")
  }

  private static var document: String {
    """
    # State machines

    Drawn from the tables in `InstanceState.swift` and `JobState.swift` by `scripts/state-machines`; a test fails when this page
    says anything else. The names are those that the store keeps and the API serves.

    ## Instance

    \(diagram(of: InstanceState.transitions, from: [.requested], states: InstanceState.allCases, isFinal: \.isFinal))
    ## Job

    \(diagram(of: JobState.transitions, from: [.awaitingApproval, .queued], states: JobState.allCases, isFinal: \.isFinal))
    """
  }

  /// In Mermaid. `starts` are the states in which a row may be written first.
  private static func diagram<State: RawRepresentable<String> & Hashable, Event: RawRepresentable<String>>(
    of table: TransitionTable<State, Event>, from starts: [State], states: [State], isFinal: (State) -> Bool
  ) -> String {
    let lines =
      starts.map { "[*] --> \($0.rawValue)" }
      + table.transitions.map { "\($0.from.rawValue) --> \($0.to.rawValue): \($0.event.rawValue)" }
      + states.filter(isFinal).map { "\($0.rawValue) --> [*]" }
    return "```mermaid\nstateDiagram-v2\n\(lines.map { "  \($0)\n" }.joined())```\n"
  }

  private func write(_ text: String, to path: String) throws {
    let file = try #require(fopen(path, "w"), "cannot write \(path)")
    defer { fclose(file) }
    let bytes = Array(text.utf8)
    try #require(fwrite(bytes, 1, bytes.count, file) == bytes.count)
  }

  private func read(_ path: String) throws -> String {
    let file = try #require(fopen(path, "r"), "no \(path)")
    defer { fclose(file) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      guard count > 0 else { return String(decoding: content, as: UTF8.self) }
      content.append(contentsOf: chunk[..<count])
    }
  }
}
