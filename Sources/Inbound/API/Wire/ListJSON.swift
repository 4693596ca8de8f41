import Domain
import JSON

enum ListJSON {
  /// `{"items": […], "next_cursor": …}` from items that are JSON already.
  static func page(_ items: [[UInt8]], next: String?) -> [UInt8] {
    var writer = JSONWriter(capacity: items.reduce(64) { $0 + $1.count + 1 } + (next?.utf8.count ?? 0))
    writer.object { writer in
      writer.array("items") { writer in for item in items { writer.element(raw: item) } }
      writer.member("next_cursor", next)
    }
    return writer.bytes
  }
}
