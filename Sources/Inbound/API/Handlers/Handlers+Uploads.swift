import Domain
import FleetService
import HTTPServer
import JSON

extension Handlers {
  /// Streams into a file as it comes. The archive is checked once it is whole.
  func createUpload(_ call: Call) throws(APIError) -> Reception {
    try refuseQuery(call)
    try JSONBody.checkEncoding(call.head)
    guard let type = call.head.header("content-type"), Self.isGzip(type) else {
      throw .unsupportedMediaType("An upload is a tar.gz and comes with Content-Type: application/gzip.")
    }
    let limit = configuration.uploadLimitBytes
    if let length = call.head.contentLength, length > limit { throw .bodyTooLarge(limit: limit) }
    // The fingerprint is that of the content, which the fleet fills in when it knows it.
    let key = try call.idempotencyKey(.createUpload)
    let upload = try asking { () throws(FleetError) in try fleet.beginUpload() }
    return .receive(
      bodyLimit: limit, bodyDeadlineSeconds: configuration.uploadDeadlineSeconds,
      receiver: UploadReceiver(upload, call, faults)
    ) { [self] _ in
      await call.answerLater(faults) { () async throws(APIError) in
        let creation = try await asking { () async throws(FleetError) in
          try await fleet.finish(upload, idempotency: key.map { IdempotentRequest(key: $0, encode: Self.created) })
        }
        return created(creation, call, Self.created)
      }
    }
  }

  private static func isGzip(_ header: String) -> Bool {
    let type = header.lowercased().split(separator: ";").first.map { String($0).trimmingWhitespace() }
    return ["application/gzip", "application/x-gzip", "application/octet-stream"].contains(type)
  }

  private static func created(_ upload: Upload) -> StoredAnswer {
    var writer = JSONWriter(capacity: 256)
    writer.object { writer in
      writer.member("id", upload.id)
      writer.member("sha256", upload.sha256)
      writer.member("size_bytes", upload.sizeBytes)
      writer.member("created_at", upload.createdAt)
    }
    return StoredAnswer(status: 201, location: nil, body: writer.bytes)
  }
}

/// Hands the pieces of a body to an upload.
private struct UploadReceiver: BodyReceiver {
  private let upload: IncomingUpload
  private let call: Call
  private let faults: FaultLog

  init(_ upload: IncomingUpload, _ call: Call, _ faults: FaultLog) {
    self.upload = upload
    self.call = call
    self.faults = faults
  }

  func receive(_ bytes: UnsafeRawBufferPointer) -> Response? {
    do throws(FleetError) {
      try upload.append(bytes)
      return nil
    } catch {
      return call.failure(.fleet(error), faults)
    }
  }

  func abandon() { upload.abandon() }
}
