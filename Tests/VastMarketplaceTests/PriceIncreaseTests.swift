import Domain
import HTTPClient
import JSON
import Testing

@testable import VastMarketplace

struct PriceIncreaseTests {
  private func increases(_ vast: FakeVast) async throws(MarketplaceError) -> [PriceIncrease] {
    try await vast.marketplace.priceIncreases()
  }

  private func increases(_ rows: String) async throws(MarketplaceError) -> [PriceIncrease] {
    try await increases(FakeVast(.success(.json(#"{"success": true, "pending_price_increases": [\#(rows)]}"#))))
  }

  @Test func `an increase is read by the hour and the month, and what stays is left out`() async throws {
    let increase = try #require(try await increases(FakeVast.recorded("pending_price_increases")).first)
    #expect(increase.id == PriceIncreaseID(31))
    #expect(increase.instanceID == MarketID(48_201_337))
    #expect(increase.hostID == 16_180)
    #expect(
      increase.gpuPerHour
        == PriceIncrease.Change(from: Money(microdollars: 339_840), to: Money(microdollars: 360_000)))
    #expect(increase.storagePerGigabyteMonth == nil)
    #expect(increase.downloadPerGigabyte == nil)
    #expect(increase.uploadPerGigabyte == nil)
    #expect(increase.platformFee == nil)
    #expect(increase.deadline == Timestamp(seconds: 1_795_286_400))
    #expect(increase.newEnd == Timestamp(seconds: 1_797_792_000))
    #expect(increase.announcedAt == Timestamp(seconds: 1_795_199_940))
  }

  @Test func `each price that changes is read`() async throws {
    let row = #"""
      {"pending_price_increase_id": "5", "contract_id": 7, "new_disk_ram_costpersec": 1e-7,
        "old_disk_ram_costpersec": 5e-8, "new_bwd_cost": 0.02, "old_bwd_cost": 0.01, "new_bwu_cost": 0.03,
        "new_platform_fee": 0.15, "old_platform_fee": 0.1}
      """#
    let increase = try #require(try await increases(row).first)
    #expect(increase.id == PriceIncreaseID(5))
    #expect(increase.gpuPerHour == nil)
    let storage = try #require(increase.storagePerGigabyteMonth)
    #expect(abs(storage.new - 0.2592) < 1e-12)
    #expect(abs((storage.old ?? 0) - 0.1296) < 1e-12)
    #expect(increase.downloadPerGigabyte == PriceIncrease.Change(from: 0.01, to: 0.02))
    #expect(increase.uploadPerGigabyte == PriceIncrease.Change(from: nil, to: 0.03))
    #expect(increase.platformFee == PriceIncrease.Change(from: 0.1, to: 0.15))
    #expect(increase.deadline == nil)
  }

  @Test func `no increases are an answer, and a list that was cut is taken as it is`() async throws {
    #expect(try await increases("") == [])
    let body = #"""
      {"success": true, "count": 1, "truncated": true, "pending_price_increases": [
        {"pending_price_increase_id": 1, "contract_id": 2}]}
      """#
    #expect(try await increases(FakeVast(.success(.json(body)))).count == 1)
  }

  @Test(arguments: [
    "{}", "[]", #"{"pending_price_increases": null}"#, #"{"pending_price_increases": [], "count": 1}"#,
    #"{"pending_price_increases": [7]}"#, #"{"pending_price_increases": [{"contract_id": 2}]}"#,
    #"{"pending_price_increases": [{"pending_price_increase_id": 1}]}"#,
    #"{"pending_price_increases": [{"pending_price_increase_id": 1, "contract_id": 0}]}"#,
    #"{"pending_price_increases": [{"pending_price_increase_id": 1, "contract_id": 2, "new_gpu_costpersec": "more"}]}"#,
    #"{"pending_price_increases": [{"pending_price_increase_id": 1, "contract_id": 2, "new_gpu_costpersec": 1e300}]}"#,
    #"{"pending_price_increases": [{"pending_price_increase_id": 1, "contract_id": 2, "new_bwu_cost": -1}]}"#,
  ])
  func `what cannot be read is no list, and an increase does not pass for none`(body: String) async {
    let error = await failure { () async throws(MarketplaceError) in
      try await increases(FakeVast(.success(.json(body))))
    }
    #expect(error?.code == "malformed_answer")
  }

  @Test(arguments: [true, false])
  func `an answer is accepted, comes too late, or fails`(accept: Bool) async throws {
    func code(_ answer: HTTPClientResponse) async -> String? {
      let vast = FakeVast(.success(answer))
      return await failure { () async throws(MarketplaceError) in
        try await vast.marketplace.answerPriceIncrease(PriceIncreaseID(31), accept: accept)
      }?.code
    }
    #expect(
      await code(.json(#"{"success": true, "pending_price_increase_id": 31, "contract_id": 48201337}"#)) == nil)
    let stale = #"{"success": false, "error": "no_pending_price_increase"}"#
    #expect(await code(.json(stale, status: 404)) == "not_found")
    #expect(await code(.json(stale, status: 409)) == "not_found")
    #expect(await code(.json(stale)) == "not_found")
    #expect(await code(.json("{}", status: 409)) == "not_found")
    #expect(await code(.json(#"{"error": "bad_request"}"#, status: 400)) == "provider_refused")
    for (name, expected) in [
      ("err_404_bad_key", "provider_unauthorized"), ("err_429_plain_text", "rate_limited"),
      ("err_502_html", "outcome_unknown"), ("start_400_missing_billing", "insufficient_credit"),
    ] {
      #expect(await code(try Recordings.response(name)) == expected, "\(name)")
    }
  }

  @Test func `an answer is sent once: a second would hide whether the first was heard`() async throws {
    let vast = try FakeVast.recorded("ok")
    try await vast.marketplace.answerPriceIncrease(PriceIncreaseID(1), accept: true)
    #expect(vast.requests.map(\.mayBeRepeated) == [false])
    #expect(!MarketplaceOperation.answerPriceIncrease.isRepeatable)
    let lost = FakeVast(.failure(.timedOut))
    let error = await failure { () async throws(MarketplaceError) in
      try await lost.marketplace.answerPriceIncrease(PriceIncreaseID(1), accept: true)
    }
    #expect(error?.code == "outcome_unknown")
  }
}
