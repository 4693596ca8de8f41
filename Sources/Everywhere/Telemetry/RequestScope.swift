/// What the work of a request carries along, also into the calls that it causes.
package enum RequestScope {
  @TaskLocal private static var current: String?

  /// The id of the request that the present task answers; sent on to Vast.ai as `X-Request-Id`.
  package static var requestID: String? { current }

  /// Runs `body`, and all that it starts, as the work of a request.
  package static func run<Result: Sendable>(requestID: String, _ body: () async -> Result) async -> Result {
    await $current.withValue(requestID) { await body() }
  }
}
