package import Domain
import JSON

/// Vast.ai as a marketplace: our words on one side, Vast's on the other. Each method is one call of Vast's, or the few that
/// together are one question, and translates every failure once.
package struct VastMarketplace: Marketplace {
  package typealias Turn = @Sendable (MarketplaceOperation) async throws(MarketplaceError) -> Void

  let client: VastClient
  let turn: Turn

  /// `turn` is awaited before every further call within one operation, such as the second page of a list; the first call is
  /// the caller's to pace.
  package init(client: VastClient, turn: @escaping Turn = { _ in }) {
    self.client = client
    self.turn = turn
  }

  /// Runs one call and says in our words what failed.
  func translated<Answer>(
    _ operation: MarketplaceOperation, _ call: () async throws(VastError) -> Answer
  ) async throws(MarketplaceError) -> Answer {
    do throws(VastError) {
      return try await call()
    } catch {
      throw error.marketplaceError(for: operation)
    }
  }

  // MARK: Offers

  package func searchOffers(_ query: OfferQuery) async throws(MarketplaceError) -> OfferListing {
    let body = try OfferSearch(query).body()
    let answer = try await translated(.searchOffers) { () async throws(VastError) in
      try await client.searchOffers(body).accepted()
    }
    guard let rows = answer["offers"]?.asItems else { throw .malformedAnswer(detail: "a search without offers") }
    // Asked again on our side, here and by `rank`: a filter that the server does not know it ignores.
    let offers = rows.compactMap { Offer(row: $0) }.filter { offer in
      let country = Region.country(offer.region)
      let isInRegion = query.regions.isEmpty || country == nil || query.regions.contains { $0.uppercased() == country }
      return isInRegion && (query.isVerified == false || offer.isVerified)
    }
    return OfferListing(offers: OfferSelection.cheapest.rank(offers, for: query), asOf: client.configuration.now())
  }

  package func gpuNames() async throws(MarketplaceError) -> [String] {
    let answer = try await translated(.gpuNames) { () async throws(VastError) in try await client.gpuNames().accepted()
    }
    guard let names = answer["gpu_names"]?.asItems ?? answer.asItems else {
      throw .malformedAnswer(detail: "no list of GPU names")
    }
    return names.compactMap { $0.asText?.presentable(limit: 100) }.filter { !$0.isEmpty }
  }

  // MARK: Keys

  package func registerKey(_ publicKey: String) async throws(MarketplaceError) {
    let wanted = SSHKeyText(publicKey)
    if try await registeredKeys().contains(wanted) { return }
    _ = try await translated(.registerKey) { () async throws(VastError) in
      try await client.addSSHKey(publicKey.trimmed).accepted()
    }
  }

  private func registeredKeys() async throws(MarketplaceError) -> [SSHKeyText] {
    let answer: JSONValue
    do throws(VastError) {
      answer = try await client.sshKeys().accepted()
    } catch .gone {
      // An account without keys answers 404 `not_found`.
      return []
    } catch {
      throw error.marketplaceError(for: .registerKey)
    }
    guard let rows = answer.asItems ?? answer["ssh_keys"]?.asItems else {
      throw .malformedAnswer(detail: "no list of SSH keys")
    }
    return rows.filter { $0["deleted_at"] == nil }
      .compactMap { ($0["public_key"] ?? $0["ssh_key"] ?? $0["key"])?.asText.map { SSHKeyText($0) } }
  }

  package func attachKey(_ publicKey: String, to id: MarketID) async throws(MarketplaceError) {
    do throws(VastError) {
      _ = try await client.attachSSHKey(publicKey.trimmed, to: id).accepted()
    } catch .unclear(let detail) where detail.lowercased().contains("already associated") {
      return
    } catch {
      throw error.marketplaceError(for: .attachKey)
    }
  }

  // MARK: Account

  package func account() async throws(MarketplaceError) -> MarketAccount {
    let answer = try await translated(.account) { () async throws(VastError) in
      try await client.currentUser().accepted()
    }
    // The one figure that this is asked for. Nothing else of the answer is kept; it holds the API key.
    guard let credit = answer["credit"]?.asNumber.flatMap({ Money(dollars: $0) }) else {
      throw .malformedAnswer(detail: "an account without credit")
    }
    let name = answer["nickname"]?.asText ?? answer["username"]?.asText
    return MarketAccount(
      // Often the address again, and an address is no nickname.
      nickname: name.flatMap { $0.contains("@") ? nil : $0.presentable(limit: 100) },
      email: answer["email"]?.asText?.presentable(limit: 254), credit: credit,
      balance: answer["balance"]?.asNumber.flatMap { Money(dollars: $0) } ?? .zero, asOf: client.configuration.now())
  }
}

extension VastMarketplace {
  /// A figure that is missing or no number is an error: as nothing it would bear witness.
  package func spend() async throws(MarketplaceError) -> MarketSpend {
    let answer = try await translated(.spend) { () async throws(VastError) in
      try await client.spendRate().accepted()
    }
    func figure(_ name: String) -> Money? {
      answer[name]?.asNumber.flatMap { $0 >= 0 ? Money(dollars: $0) : nil }
    }
    guard let gpu = figure("gpu_cost_per_hour"), let storage = figure("container_storage_cost_per_hour") else {
      throw .malformedAnswer(detail: "a spend rate without its figures")
    }
    return MarketSpend(gpuPerHour: gpu, storagePerHour: storage, asOf: client.configuration.now())
  }
}

/// An authorized key without its comment, which Vast may change.
private struct SSHKeyText: Equatable {
  let parts: [Substring]

  init(_ line: String) { parts = Array(line.split(whereSeparator: \.isWhitespace).prefix(2)) }
}
