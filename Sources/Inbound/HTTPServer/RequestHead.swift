/// A request without its body: read, checked and decoded. A value that may be kept for as long as anybody likes; fields and
/// query are decoded when they are asked for.
package struct RequestHead: Sendable {
  package let method: Method
  /// Percent-decoded once. Begins with a slash; no empty, `.` or `..` segment, no NUL, no backslash.
  package let path: String
  let fields: HeadFields

  init(method: Method, path: String, fields: HeadFields) {
    self.method = method
    self.path = path
    self.fields = fields
  }

  /// The target as it came, for logs. Only visible ASCII.
  package var rawTarget: String { fields.withTarget { String(decoding: $0, as: UTF8.self) } }

  /// The query's pairs in order; names may repeat. Checked when the request came in, decoded anew at each call.
  package var query: [QueryItem] {
    fields.withTarget { target in
      do throws(Refusal) {
        return try RequestTarget.query(of: target)
      } catch {
        preconditionFailure("a query that was checked no longer decodes: \(error.detail)")
      }
    }
  }

  /// For instance "127.0.0.1:51234" or "[::1]:51234".
  package var remoteAddress: String { fields.peer.description }

  /// The first value of a field, by its name in any case; nil when the field is absent.
  package func header(_ name: StaticString) -> String? { fields.first(name) }

  /// Every value of a field in order, for callers that must refuse a repetition.
  package func headerValues(_ name: StaticString) -> [String] { fields.all(name) }

  /// The length of the body when it was announced as a number; nil for no body and for a chunked one.
  package var contentLength: Int? { fields.contentLength }
}

extension RequestHead {
  /// A head made by hand, held to the same rules as one from the wire: for tests of what stands above the server.
  package init?(
    method: Method, target: String, headers: [(name: String, value: String)] = [],
    remoteAddress: PeerAddress = PeerAddress()
  ) {
    let fields = HeadFields()
    fields.peer = remoteAddress
    let line = Array(target.utf8)
    var block: [UInt8] = []
    for header in headers {
      block += Array(header.name.utf8) + [0] + Array(header.value.utf8) + [0, 0]
    }
    block += [0, 0]
    do throws(Refusal) {
      self = try line.withUnsafeBufferPointer { (line) throws(Refusal) in
        fields.begin(target: line)
        return try block.withUnsafeBufferPointer { (block) throws(Refusal) in
          try fields.readFields(block, limit: 1000)
          return RequestHead(method: method, path: try RequestTarget.path(of: line), fields: fields)
        }
      }
    } catch {
      return nil
    }
  }
}
