import Hummingbird
import Logging

/// Answers every GET / with the 25 bytes of JSON of the C floor, logging as quiet as Hummingbird allows.
@main
struct Main {
  static func main() async throws {
    guard let port = CommandLine.arguments.dropFirst().first.flatMap({ Int($0) }) else {
      print("usage: hummingbird-hello PORT")
      return
    }
    let router = Router()
    router.get("/") { _, _ in
      Response(
        status: .ok, headers: [.contentType: "application/json"],
        body: .init(byteBuffer: ByteBuffer(string: #"{"message":"hello there"}"#)))
    }
    var logger = Logger(label: "hello")
    logger.logLevel = .error
    let application = Application(
      router: router, configuration: .init(address: .hostname("127.0.0.1", port: port)), logger: logger)
    try await application.runService()
  }
}
