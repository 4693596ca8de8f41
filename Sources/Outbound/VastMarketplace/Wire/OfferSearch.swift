import Domain
import JSON

/// The body of a search: field → operators → value, and the control keys beside them. Numbers go as JSON numbers; the server
/// takes them and the official client's numeric strings alike.
struct OfferSearch {
  private let query: OfferQuery

  /// At most this many offers come back, whatever is asked.
  static let limit = 64
  /// What the official client prices when no disk is asked for.
  private static let defaultDiskGigabytes = 5.0

  init(_ query: OfferQuery) { self.query = query }

  /// Refused when a passed-through filter is no object of operators, or names what is decided here.
  func body() throws(MarketplaceError) -> [UInt8] {
    var filters = ownFilters
    for (field, text) in query.filters.sorted(by: { $0.key < $1.key }) {
      let operators = try Self.operators(of: field, text)
      filters[field] = JSONObject((filters[field]?.members ?? []) + operators.members)
    }
    var writer = JSONWriter()
    writer.object { writer in
      for (field, operators) in filters.sorted(by: { $0.key < $1.key }) {
        writer.member(dynamic: field, .object(operators))
      }
      writer.member("order", .array(order.map { .array([.string($0), .string($1)]) }))
      writer.member("type", query.isInterruptible ? "bid" : "on-demand")
      writer.member("limit", Self.limit)
      writer.member("allocated_storage", query.minimumDiskGigabytes ?? Self.defaultDiskGigabytes)
    }
    return writer.bytes
  }

  /// By the selection, since only the first 64 come: the best value is seldom among the cheapest.
  private var order: [(String, String)] {
    switch query.selection {
    case .cheapest, .secondCheapest: [("dph_total", "asc")]
    case .bestValue: [("dlperf_per_dphtotal", "desc"), ("dph_total", "asc")]
    case .mostReliable: [("reliability", "desc"), ("dph_total", "asc")]
    }
  }

  private var ownFilters: [String: JSONObject] {
    var filters: [String: JSONObject] = [:]
    func filter(_ field: String, _ operation: String, _ value: JSONValue?) {
      if let value { filters[field] = JSONObject([.init(name: operation, value: value)]) }
    }
    filter("verified", "eq", query.isVerified == false ? nil : .bool(true))
    filter("external", "eq", .bool(false))
    // `rented` is no filter of the server's any more; rented rows are dropped when they come.
    filter("rentable", "eq", .bool(true))
    filter("gpu_name", "eq", query.gpuName.map { .string($0) })
    filter("num_gpus", "eq", query.gpuCount.map { .integer(Int64($0)) })
    filter("gpu_ram", "gte", query.minimumGPURAMGigabytes.map { .number($0 * 1024 * OfferQuery.ramTolerance) })
    filter("disk_space", "gte", query.minimumDiskGigabytes.map { .number($0) })
    filter("dph_total", "lte", query.maximumPricePerHour.map { .number($0.dollars) })
    filter("reliability", "gte", query.minimumReliability.map { .number($0) })
    filter("cuda_max_good", "gte", query.minimumCUDA.map { .number($0) })
    filter("geolocation", "in", query.regions.isEmpty ? nil : .array(query.regions.map { .string($0) }))
    filter(
      "machine_id", "notin",
      query.excludedMachines.isEmpty ? nil : .array(query.excludedMachines.sorted().map { .integer($0) }))
    // Filtering on `id` finds nothing.
    filter("ask_contract_id", "eq", query.offerID.map { .integer($0) })
    return filters
  }

  private static func operators(of field: String, _ text: String) throws(MarketplaceError) -> JSONObject {
    guard !reserved.contains(field) else {
      throw .refused(code: "invalid_filter", detail: "\(field.presentable()) is decided by the service")
    }
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue.parse(text.utf8)
    } catch {
      throw .refused(code: "invalid_filter", detail: "the filter \(field.presentable()) is not JSON")
    }
    guard let object = value.asObject, !object.members.isEmpty,
      object.members.allSatisfy({ knownOperators.contains($0.name) })
    else {
      throw .refused(
        code: "invalid_filter", detail: "the filter \(field.presentable()) is no object such as {\"gte\": 500}")
    }
    return object
  }

  private static let knownOperators: Set<String> = ["eq", "neq", "gt", "gte", "lt", "lte", "in", "notin"]

  /// Control keys of the search, and the two filters that always apply.
  private static let reserved: Set<String> = [
    "order", "type", "limit", "allocated_storage", "rentable", "rented", "select_cols", "q",
  ]
}
