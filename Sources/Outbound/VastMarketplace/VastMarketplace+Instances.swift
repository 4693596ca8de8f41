package import Domain
import JSON

extension VastMarketplace {
  /// A create that was sent is not given up: its answer is worth more than the seconds that it takes, and the time-out bounds
  /// them. Cancelling the task before that prevents it.
  package func create(_ order: RentalOrder) async throws(MarketplaceError) -> MarketID {
    let body = try RentalBody(order).bytes
    if Task.isCancelled { throw .cancelled }
    let rental = Task { [client] () -> Result<MarketID, MarketplaceError> in
      do throws(VastError) {
        return Self.outcome(of: try await client.create(offerID: order.offerID, body), offerID: order.offerID)
      } catch {
        return .failure(error.marketplaceError(for: .create, offerID: order.offerID))
      }
    }
    return try await rental.value.get()
  }

  /// `new_contract` decides before anything else: where there is one, something exists and costs money.
  private static func outcome(of reply: VastReply, offerID: Int64) -> Result<MarketID, MarketplaceError> {
    let contract = reply.json?["new_contract"]?.asInteger.flatMap { $0 > 0 ? MarketID($0) : nil }
    let failure: VastError
    do throws(VastError) {
      _ = try reply.accepted()
      if let contract { return .success(contract) }
      failure = .unreadable(detail: "a success without a contract")
    } catch {
      failure = error
    }
    let meaning = failure.marketplaceError(for: .create, offerID: offerID)
    return .failure(contract.map { .createdUnusable(id: $0, reason: meaning.detail) } ?? meaning)
  }

  /// Every page of the list, or an error: this is what absence is proved by.
  package func listInstances() async throws(MarketplaceError) -> [MarketInstance] {
    var collection = InstancePages()
    var token: String?
    repeat {
      if token != nil { try await turn(.listInstances) }
      let page = try await translated(.listInstances) { [token] () async throws(VastError) in
        try await client.instances(after: token).accepted()
      }
      token = try collection.add(page)
    } while token != nil
    return try collection.complete()
  }

  package func readInstance(_ id: MarketID) async throws(MarketplaceError) -> MarketInstance? {
    let answer: JSONValue
    do throws(VastError) {
      answer = try await client.instance(id).accepted()
    } catch .gone {
      return nil
    } catch {
      throw error.marketplaceError(for: .readInstance)
    }
    // One instance under a plural name. Null is the proof of absence; a missing member is none.
    guard let object = answer.asObject, let value = object["instances"] else {
      throw .malformedAnswer(detail: "a read without an instance")
    }
    if value == .null { return nil }
    guard let instance = MarketInstance(row: value), instance.id == id else {
      throw .malformedAnswer(detail: "a read of \(id) that shows another instance or none")
    }
    return instance
  }

  package func start(_ id: MarketID) async throws(MarketplaceError) {
    _ = try await translated(.start) { () async throws(VastError) in try await client.start(id).accepted() }
  }

  package func stop(_ id: MarketID) async throws(MarketplaceError) {
    _ = try await translated(.stop) { () async throws(VastError) in try await client.stop(id).accepted() }
  }

  package func destroy(_ id: MarketID) async throws(MarketplaceError) {
    _ = try await translated(.destroy) { () async throws(VastError) in try await client.destroy(id).accepted() }
  }
}
