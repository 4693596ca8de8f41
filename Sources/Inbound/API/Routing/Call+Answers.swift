import FleetService
import HTTPServer
import Telemetry

extension Call {
  /// Runs a handler and renders what it throws.
  func answer(_ faults: FaultLog, _ handler: () throws(APIError) -> Response) -> Response {
    do throws(APIError) {
      return try handler()
    } catch {
      return failure(error, faults)
    }
  }

  func answerLater(_ faults: FaultLog, _ handler: () async throws(APIError) -> Response) async -> Response {
    await RequestScope.run(requestID: context.requestID) {
      do throws(APIError) {
        return try await handler()
      } catch {
        return failure(error, faults)
      }
    }
  }

  func failure(_ error: APIError, _ faults: FaultLog) -> Response {
    faults.note(error, context)
    return error.problem.response(requestID: context.requestID, context: context)
  }

  // MARK: Answers

  func json(_ bytes: [UInt8], status: Int = 200) -> Response {
    json(.bytes(bytes), status: status)
  }

  /// `extra` is for what only some answers have: Location, Warning.
  func json(
    _ body: Response.Body, status: Int = 200, extra: [(name: String, value: String)] = []
  ) -> Response {
    var headers: [(name: String, value: String)] = [
      ("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"),
      ("X-Request-Id", context.requestID),
    ]
    if !extra.isEmpty { headers += extra }
    return Response(status: status, headers: headers, body: body, context: context)
  }

  func csv(_ bytes: [UInt8], extra: [(name: String, value: String)] = []) -> Response {
    let headers: [(name: String, value: String)] = [
      ("Content-Type", "text/csv; charset=utf-8; header=present"), ("Cache-Control", "no-store"),
      ("X-Content-Type-Options", "nosniff"), ("X-Request-Id", context.requestID), ("Vary", "Accept"),
    ]
    return Response(status: 200, headers: headers + extra, body: .bytes(bytes), context: context)
  }

  /// An older answer says so in its body and by the header that caches use.
  func dated(_ body: Response.Body, isDegraded: Bool) -> Response {
    json(body, extra: isDegraded ? [("Warning", "110 vastd \"Response is Stale\"")] : [])
  }

  func text(_ body: Response.Body, status: Int = 200, type: String) -> Response {
    Response(
      status: status, headers: [("Content-Type", type), ("X-Request-Id", context.requestID)], body: body,
      context: context)
  }
}

/// Carries the facade's errors over the border.
func asking<Answer>(_ body: () throws(FleetError) -> Answer) throws(APIError) -> Answer {
  do throws(FleetError) {
    return try body()
  } catch {
    throw .fleet(error)
  }
}

func asking<Answer: Sendable>(_ body: () async throws(FleetError) -> Answer) async throws(APIError) -> Answer {
  do throws(FleetError) {
    return try await body()
  } catch {
    throw .fleet(error)
  }
}
