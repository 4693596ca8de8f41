import Domain
import EventFormats
import JSON
import Testing

@Suite struct `A message for Slack` {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func recorded(_ type: String, _ data: [String: EventFact] = [:], subject: String = "ins_1") -> RecordedEvent {
    RecordedEvent(position: 1, sequence: 1, event: FleetEvent(type: type, subject: subject, at: now, data: data))
  }

  private func parts(_ events: [RecordedEvent]) throws -> (text: String, sections: [String]) {
    guard case .object(let object) = try JSONValue.parse(SlackMessage.json(events)),
      case .string(let text)? = object["text"], case .array(let blocks)? = object["blocks"]
    else { throw Odd() }
    let sections = try blocks.map { block in
      guard case .object(let section) = block, section["type"] == .string("section"),
        case .object(let inner)? = section["text"], inner["type"] == .string("mrkdwn"),
        case .string(let text)? = inner["text"]
      else { throw Odd() }
      return text
    }
    return (text, sections)
  }

  struct Odd: Error {}

  @Test func `a machine that runs shows its GPU, its price and how to log in`() throws {
    let message = try parts([
      recorded(
        "instance.running",
        [
          "label": "train", "gpu_name": "RTX 4090", "num_gpus": 2,
          "price_per_hour_usd": .money(Money(microdollars: 812_500)), "ssh": "ssh -p 40022 root@1.2.3.4",
        ])
    ])
    #expect(
      message.sections == [
        ":large_green_circle: *train (ins_1) runs*\n2 × RTX 4090 · $0.8125 an hour\n`ssh -p 40022 root@1.2.3.4`"
      ])
    #expect(message.text == "train (ins_1) runs · 2 × RTX 4090 · $0.8125 an hour · ssh -p 40022 root@1.2.3.4")
  }

  @Test(
    arguments: [
      ("instance.exited", ["expected": .flag(true)], ":black_circle: *ins_1 exited, as expected*"),
      ("instance.exited", ["code": "instance_exited"], ":red_circle: *ins_1 exited unexpectedly*\n`instance_exited`"),
      (
        "instance.preempted", ["action": "another machine is rented"],
        ":large_orange_circle: *ins_1 was preempted*\nNow: another machine is rented"
      ),
      (
        "instance.stopped_idle",
        [
          "label": "ada", "idle_s": 600, "idle_cost_usd": .money(Money(microdollars: 50_000)),
          "storage_per_hour_usd": .money(Money(microdollars: 10_000)),
        ],
        ":zzz: *ada (ins_1) was stopped: its GPUs were idle*\nfor 600 s · $0.05 for nothing · its disk goes on at $0.01 an hour"
      ),
      (
        "job.failed",
        [
          "name": "t", "code": "command_failed", "detail": "d", "exit_code": 3,
          "cost_usd": .money(Money(microdollars: 5)),
        ],
        ":x: *Job t failed*\n`command_failed` d\nexit code 3 · cost $0.000005"
      ),
      ("job.awaiting_approval", ["name": "t"], ":raised_hand: *Job t waits for approval*"),
      (
        "job.awaiting_approval",
        [
          "name": "t", "price_per_hour_usd": .money(Money(microdollars: 400_000)),
          "total_usd": .money(Money(microdollars: 1_200_000)),
        ],
        ":raised_hand: *Job t waits for approval*\n$0.4 an hour · $1.2 in all"
      ),
      (
        "billing.price_increase",
        [
          "label": "train", "price_increase_id": "inc_1", "deadline": "2026-11-21T08:30:00.000Z",
          "price_per_hour_usd": .money(Money(microdollars: 400_000)),
          "new_price_per_hour_usd": .money(Money(microdollars: 500_000)),
        ],
        """
        :chart_with_upwards_trend: *The host of train (ins_1) wants more*
        $0.5 an hour instead of $0.4 · to be answered by 2026-11-21T08:30:00.000Z
        `inc_1`
        """
      ),
      (
        "billing.price_increase_closed", ["price_increase_id": "inc_1", "answer": "accepted"],
        ":information_source: *A price increase of ins_1 is accepted*\n`inc_1`"
      ),
      (
        "billing.price_increase_closed", ["in_doubt": .flag(true)],
        ":information_source: *A price increase of ins_1 is over, how is not known*"
      ),
      (
        "billing.discrepancy",
        [
          "label": "train", "day": "2026-11-28", "ledger_usd": .money(Money(microdollars: 820_000)),
          "charged_usd": .money(Money(microdollars: 520_000)), "rest_usd": .money(Money(microdollars: 299_000)),
        ],
        ":money_with_wings: *Vast.ai charged otherwise than our ledger for train (ins_1)*\n2026-11-28 · ledger $0.82 · charged $0.52 · $0.299 not accounted for"
      ),
      ("provider.degraded", ["code": "unavailable"], ":warning: *Vast.ai does not answer as it should*\n`unavailable`"),
      ("some.new_thing", [:], ":information_source: *some.new_thing · ins_1*"),
    ] as [(String, [String: EventFact], String)])
  func `events in words`(type: String, data: [String: EventFact], line: String) throws {
    #expect(try parts([recorded(type, data)]).sections == [line])
  }

  @Test func `a burst is one message with a line for each`() throws {
    let events = (0..<20).map { recorded("job.failed", subject: "job_\($0)") }
    let message = try parts(events)
    #expect(message.sections.count == 21)
    #expect(message.sections.first == "*20 events*")
    #expect(message.text.hasPrefix("20 events: Job job_0 failed, "))
    #expect(message.text.count <= 300)
  }

  @Test func `what a stranger's machine says is text, never a mention, a link or markup`() throws {
    let evil = "<!channel> <https://evil.example|click> & `rm -rf`\u{1B}[31m\n*bold*"
    let message = try parts([recorded("job.failed", ["name": .text(evil), "code": "a`b", "detail": .text(evil)])])
    let text = try #require(message.sections.first)
    #expect(!text.contains("<"))
    #expect(text.contains("&lt;!channel&gt;"))
    #expect(text.contains("`ab`"))
    #expect(!text.contains("\u{1B}"))
  }

  @Test func `messages stay within Slack's limits, however long the facts`() throws {
    let long = EventFact.text(String(repeating: "<&>", count: 5000))
    let events = (0..<20).map { _ in recorded("job.failed", ["name": long, "detail": long, "code": long]) }
    let message = try parts(events)
    #expect(message.sections.allSatisfy { $0.count <= 3000 })
    #expect(message.sections.map(\.count).reduce(0, +) <= 13_000)
    #expect(message.sections.count <= 50)
    #expect(message.sections.allSatisfy { $0.split(separator: "&").dropFirst().allSatisfy { $0.contains(";") } })
  }

  @Test(arguments: [(0, ""), (1, "AA=="), (2, "AAA="), (3, "AAAA"), (32, nil)] as [(Int, String?)])
  func `base64 has one text for some bytes`(count: Int, text: String?) {
    let bytes = [UInt8](repeating: 0, count: count)
    if let text { #expect(Base64.encode(bytes) == text) }
    #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    #expect(Base64.decode(Base64.encode(bytes) + "=") == nil)
  }

  @Test func `a secret's text is whsec_ and base64, of 24 to 64 bytes`() {
    let secret = WebhookSecret.random()
    #expect(WebhookSecret(text: secret.text) == secret)
    #expect(WebhookSecret(text: "whsec_" + Base64.encode([1, 2, 3])) == nil)
    #expect(WebhookSecret(text: "whsec_" + Base64.encode([UInt8](repeating: 1, count: 65))) == nil)
    #expect(WebhookSecret(text: Base64.encode([UInt8](repeating: 1, count: 32))) == nil)
    #expect(WebhookSecret(text: "whsec_AB==") == nil)
  }
}
