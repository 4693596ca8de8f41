import Domain
import HTTPServer

/// What a list call asks for: its filter, its page, and the text that binds a cursor to the filter.
struct ListInput<Filter: Sendable>: Sendable {
  let filter: Filter
  let page: PageRequest
  let scope: String
}

extension ListInput where Filter == JobFilter {
  init(_ head: RequestHead, _ cursors: CursorCodec) throws(APIError) {
    var reader = try QueryReader(head)
    var filter = JobFilter()
    filter.states = Set(try reader.choices("state", of: JobState.self))
    filter.name = try reader.text("name", .line(Limits.nameCharacters))
    let scope =
      "jobs\nstate=" + filter.states.map(\.rawValue).sorted().joined(separator: ",") + "\nname=" + (filter.name ?? "")
    try self.init(filter, scope, &reader, cursors)
  }
}

extension ListInput where Filter == InstanceFilter {
  init(_ head: RequestHead, _ cursors: CursorCodec) throws(APIError) {
    var reader = try QueryReader(head)
    var filter = InstanceFilter()
    filter.states = Set(try reader.choices("state", of: InstanceState.self))
    filter.label = try reader.text("label", .line(Limits.labelCharacters))
    if let text = reader.string("job_id") {
      guard let id = ID<Job>(text) else { throw .queryParameter(name: "job_id", detail: "must be a job's id: job_…") }
      filter.jobID = id
    }
    // Every instance on record is managed: adopting others comes with a later version.
    if try reader.flag("managed") == false {
      throw .queryParameter(name: "managed", detail: "can only be true in this version")
    }
    let scope =
      "instances\nstate=" + filter.states.map(\.rawValue).sorted().joined(separator: ",")
      + "\nlabel=" + (filter.label ?? "") + "\njob_id=" + (filter.jobID?.rawValue ?? "")
    try self.init(filter, scope, &reader, cursors)
  }
}

extension ListInput where Filter == PriceIncreaseFilter {
  init(_ head: RequestHead, _ cursors: CursorCodec) throws(APIError) {
    var reader = try QueryReader(head)
    let filter = try reader.choice("state", of: PriceIncreaseFilter.self) ?? .open
    try self.init(filter, "price_increases\nstate=" + filter.rawValue, &reader, cursors)
  }
}

extension ListInput {
  fileprivate init(_ filter: Filter, _ scope: String, _ reader: inout QueryReader, _ cursors: CursorCodec)
    throws(APIError)
  {
    self.init(filter: filter, page: try reader.page(scope, cursors), scope: scope)
  }
}

extension QueryReader {
  /// The last that a list reads: which page, and nothing else.
  mutating func page(_ scope: String, _ cursors: CursorCodec) throws(APIError) -> PageRequest {
    let limit = try limit(standard: Limits.defaultPageSize, maximum: Limits.maximumPageSize)
    var before: PagePosition?
    if let cursor = string("cursor") { before = try cursors.decode(cursor, scope: scope) }
    try finish()
    return PageRequest(limit: limit, before: before)
  }
}
