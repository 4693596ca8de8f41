/// The methods that reach a handler. TRACE and CONNECT are refused with 405, anything else with 501.
package enum Method: String, Sendable, CaseIterable {
  case get = "GET"
  case head = "HEAD"
  case post = "POST"
  case put = "PUT"
  case patch = "PATCH"
  case delete = "DELETE"
  case options = "OPTIONS"

  static let allowed = allCases.map(\.rawValue).joined(separator: ", ")

  init(_ token: UnsafeBufferPointer<UInt8>) throws(Refusal) {
    for method in Method.allCases where token.elementsEqual(method.rawValue.utf8) {
      self = method
      return
    }
    guard !token.isEmpty, token.allSatisfy(Characters.isToken) else { throw .malformed("The method is not a token.") }
    throw token.elementsEqual("TRACE".utf8) || token.elementsEqual("CONNECT".utf8) ? .methodNotAllowed : .methodUnknown
  }
}
